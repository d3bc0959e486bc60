# What stands behind collector/dissect/libcrypto.py in compiled code; both must say the same
# (tests/collector/test_dissect_libcrypto.py). Functions are taken from the very library that Python's own _hashlib is
# linked with: nothing is opened that is not open already, and no headers are needed to build this. Where that library
# is not to be found, or is of another kind, the functions of libcrypto.py are called (decision 0029).
cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc
from libc.string cimport memcpy, memset

cdef extern from "dlfcn.h" nogil:
    int RTLD_LAZY
    int RTLD_NOLOAD
    void* dlopen(const char* path, int mode)
    void* dlsym(void* handle, const char* name)

cdef extern from *:
    """
    typedef int (*schoolgate_digest_init)(void*, const void*, void*);
    typedef int (*schoolgate_digest_update)(void*, const void*, size_t);
    typedef int (*schoolgate_digest_final)(void*, unsigned char*, unsigned int*);
    typedef int (*schoolgate_cipher_init)(void*, const void*, void*, const unsigned char*, const unsigned char*);
    typedef int (*schoolgate_cipher_update)(void*, unsigned char*, int*, const unsigned char*, int);
    typedef int (*schoolgate_cipher_final)(void*, unsigned char*, int*);
    typedef int (*schoolgate_cipher_control)(void*, int, int, void*);
    typedef void* (*schoolgate_fetch)(void*, const char*, const char*);
    typedef void* (*schoolgate_new)(void);
    typedef unsigned long (*schoolgate_version)(void);
    #if defined(__GNUC__) || defined(__clang__)
    #define SCHOOLGATE_SEEN(place) __asm__ __volatile__("" : : "r"(place) : "memory")
    #else
    #define SCHOOLGATE_SEEN(place) ((void) *(volatile unsigned char *) (place))
    #endif
    """
    # No compiler may leave out what was written there, though nobody reads it.
    void _seen "SCHOOLGATE_SEEN" (void* place) noexcept nogil
    ctypedef int (*DigestInit "schoolgate_digest_init")(void*, const void*, void*) noexcept nogil
    ctypedef int (*DigestUpdate "schoolgate_digest_update")(void*, const void*, size_t) noexcept nogil
    ctypedef int (*DigestFinal "schoolgate_digest_final")(void*, unsigned char*, unsigned int*) noexcept nogil
    ctypedef int (*CipherInit "schoolgate_cipher_init")(void*, const void*, void*, const unsigned char*, const unsigned char*) noexcept nogil
    ctypedef int (*CipherUpdate "schoolgate_cipher_update")(void*, unsigned char*, int*, const unsigned char*, int) noexcept nogil
    ctypedef int (*CipherFinal "schoolgate_cipher_final")(void*, unsigned char*, int*) noexcept nogil
    ctypedef int (*CipherControl "schoolgate_cipher_control")(void*, int, int, void*) noexcept nogil
    ctypedef void* (*Fetch "schoolgate_fetch")(void*, const char*, const char*) noexcept nogil
    ctypedef void* (*New "schoolgate_new")() noexcept nogil
    ctypedef unsigned long (*Version "schoolgate_version")() noexcept nogil

# Contexts are made once and given new keys for each packet; the interpreter's lock keeps threads apart.
cdef struct Library:
    void* hash
    void* sha256
    void* block
    void* aead
    DigestInit digest_init
    DigestUpdate digest_update
    DigestFinal digest_final
    CipherInit encrypt_init
    CipherUpdate encrypt_update
    CipherInit decrypt_init
    CipherUpdate decrypt_update
    CipherFinal decrypt_final
    CipherControl control

# Python's own code for the same; loaded at once where it is needed, since later no file may be open to us.
cdef inline object _spare():
    from collector.dissect import libcrypto
    return libcrypto

cdef inline Library* library() except? NULL:
    import _hashlib
    cdef Library* found = NULL
    cdef void* handle = NULL
    cdef bytes path
    if getattr(_hashlib, "__file__", None):
        path = _hashlib.__file__.encode()
        handle = dlopen(path, RTLD_LAZY | RTLD_NOLOAD)
    if handle != NULL:
        found = _resolved(handle)
    if found == NULL or not _tried(found):
        _spare()
        return NULL
    return found

cdef inline bint is_there(Library* library) noexcept:
    return library != NULL

# Searches what _hashlib is linked with.
cdef inline Library* _resolved(void* handle) noexcept nogil:
    cdef Version version = <Version> dlsym(handle, b"OpenSSL_version_num")
    cdef New new_hash = <New> dlsym(handle, b"EVP_MD_CTX_new")
    cdef New new_cipher = <New> dlsym(handle, b"EVP_CIPHER_CTX_new")
    cdef Fetch fetch_hash = <Fetch> dlsym(handle, b"EVP_MD_fetch")
    cdef Fetch fetch_cipher = <Fetch> dlsym(handle, b"EVP_CIPHER_fetch")
    cdef Library* found
    cdef void* ecb
    cdef void* gcm
    # What these functions take and do has been looked at for this major version alone.
    if version == NULL or version() >> 28 != 3:
        return NULL
    if new_hash == NULL or new_cipher == NULL or fetch_hash == NULL or fetch_cipher == NULL:
        return NULL
    found = <Library*> calloc(1, sizeof(Library))
    if found == NULL:
        return NULL
    found.digest_init = <DigestInit> dlsym(handle, b"EVP_DigestInit_ex")
    found.digest_update = <DigestUpdate> dlsym(handle, b"EVP_DigestUpdate")
    found.digest_final = <DigestFinal> dlsym(handle, b"EVP_DigestFinal_ex")
    found.encrypt_init = <CipherInit> dlsym(handle, b"EVP_EncryptInit_ex")
    found.encrypt_update = <CipherUpdate> dlsym(handle, b"EVP_EncryptUpdate")
    found.decrypt_init = <CipherInit> dlsym(handle, b"EVP_DecryptInit_ex")
    found.decrypt_update = <CipherUpdate> dlsym(handle, b"EVP_DecryptUpdate")
    found.decrypt_final = <CipherFinal> dlsym(handle, b"EVP_DecryptFinal_ex")
    found.control = <CipherControl> dlsym(handle, b"EVP_CIPHER_CTX_ctrl")
    if (
        found.digest_init == NULL or found.digest_update == NULL or found.digest_final == NULL
        or found.encrypt_init == NULL or found.encrypt_update == NULL or found.decrypt_init == NULL
        or found.decrypt_update == NULL or found.decrypt_final == NULL or found.control == NULL
    ):
        return NULL
    found.hash = new_hash()
    found.block = new_cipher()
    found.aead = new_cipher()
    found.sha256 = fetch_hash(NULL, b"SHA256", NULL)
    ecb = fetch_cipher(NULL, b"AES-128-ECB", NULL)
    gcm = fetch_cipher(NULL, b"AES-128-GCM", NULL)
    if found.hash == NULL or found.block == NULL or found.aead == NULL:
        return NULL
    if found.sha256 == NULL or ecb == NULL or gcm == NULL:
        return NULL
    if found.digest_init(found.hash, found.sha256, NULL) != 1:
        return NULL
    if found.encrypt_init(found.block, ecb, NULL, NULL, NULL) != 1:
        return NULL
    if found.decrypt_init(found.aead, gcm, NULL, NULL, NULL) != 1:
        return NULL
    return found

# HMAC of RFC 2104; key and message are of at most one block (a connection id has 20 octets, a label less than 32).
cdef inline bint _hmac(
    Library* library, const unsigned char* key, size_t key_size, const unsigned char* message, size_t size,
    unsigned char* out
) noexcept nogil:
    # What is hashed lies in one piece behind the pad: a call into the library costs more than to copy it.
    cdef unsigned char[128] block
    cdef unsigned int written = 0
    cdef size_t place
    if key_size > 64 or size > 64:
        return False
    memset(block, 0x36, 64)
    for place in range(key_size):
        block[place] ^= key[place]
    memcpy(block + 64, message, size)
    if library.digest_init(library.hash, library.sha256, NULL) != 1:
        return False
    if library.digest_update(library.hash, block, 64 + size) != 1:
        return False
    if library.digest_final(library.hash, out, &written) != 1 or written != 32:
        return False
    for place in range(64):
        block[place] ^= 0x36 ^ 0x5C
    memcpy(block + 64, out, 32)
    if library.digest_init(library.hash, library.sha256, NULL) != 1:
        return False
    if library.digest_update(library.hash, block, 96) != 1:
        return False
    written = 32 if library.digest_final(library.hash, out, &written) == 1 and written == 32 else 0
    # The key must not outlive the call; the library itself wipes what it has seen of it.
    memset(block, 0, 128)
    _seen(block)
    return written == 32

cdef inline bytes mac(Library* library, bytearray key, bytes message):
    cdef unsigned char[32] out
    if library == NULL or PyByteArray_GET_SIZE(key) > 64 or PyBytes_GET_SIZE(message) > 64:
        return None
    if not _hmac(
        library, <const unsigned char*> PyByteArray_AS_STRING(key), PyByteArray_GET_SIZE(key),
        <const unsigned char*> PyBytes_AS_STRING(message), PyBytes_GET_SIZE(message), out
    ):
        return None
    return (<const char*> out)[:32]

cdef inline bytes secrets(Library* library, bytes salt, bytes dcid, tuple labels):
    cdef unsigned char[32] initial
    cdef unsigned char[32] client
    cdef unsigned char[32] key
    cdef unsigned char[32] iv
    cdef unsigned char[32] hp
    cdef bytes client_label, key_label, iv_label, hp_label
    cdef char* out
    client_label, key_label, iv_label, hp_label = labels
    if (
        library == NULL
        or PyBytes_GET_SIZE(salt) > 64
        or not _hmac(library, salt, PyBytes_GET_SIZE(salt), dcid, PyBytes_GET_SIZE(dcid), initial)
        or not _hmac(library, initial, 32, client_label, PyBytes_GET_SIZE(client_label), client)
        or not _hmac(library, client, 32, key_label, PyBytes_GET_SIZE(key_label), key)
        or not _hmac(library, client, 32, iv_label, PyBytes_GET_SIZE(iv_label), iv)
        or not _hmac(library, client, 32, hp_label, PyBytes_GET_SIZE(hp_label), hp)
    ):
        return _spare().secrets(None, salt, dcid, labels)
    made = PyBytes_FromStringAndSize(NULL, 44)
    out = PyBytes_AS_STRING(made)
    memcpy(out, key, 16)
    memcpy(out + 16, iv, 12)
    memcpy(out + 28, hp, 16)
    return made

cdef inline uint64_t mask(Library* library, bytes secrets, bytes datagram, Py_ssize_t at) except? 0xFFFFFFFFFFFFFFFF:
    cdef unsigned char[32] out
    cdef const unsigned char* hp
    cdef int written = 0, place
    cdef uint64_t number = 0
    if at < 0 or at > PyBytes_GET_SIZE(datagram) - 16:
        raise IndexError("a sample reaches beyond its datagram")
    if library != NULL and PyBytes_GET_SIZE(secrets) == 44:
        hp = <const unsigned char*> PyBytes_AS_STRING(secrets) + 28
        if library.encrypt_init(library.block, NULL, NULL, hp, NULL) == 1:
            if library.encrypt_update(
                library.block, out, &written, <const unsigned char*> PyBytes_AS_STRING(datagram) + at, 16
            ) == 1 and written == 16:
                for place in range(5):
                    number = (number << 8) | out[place]
                return number
    return _spare().mask(None, secrets, datagram, at)

cdef inline bytes unsealed(
    Library* library, bytes secrets, int first, uint64_t number, bytes datagram, Py_ssize_t start, Py_ssize_t at,
    Py_ssize_t end
):
    cdef const unsigned char* octets = <const unsigned char*> PyBytes_AS_STRING(datagram)
    cdef const unsigned char* key = <const unsigned char*> PyBytes_AS_STRING(secrets)
    cdef unsigned char[12] nonce
    cdef unsigned char[8] digits
    cdef unsigned char[16] tag
    cdef unsigned char begin = <unsigned char> first
    cdef int size = (first & 3) + 1, place, written = 0, rest = 0, length
    if start < 0 or at <= start or at > end - size - 16 or end > PyBytes_GET_SIZE(datagram):
        raise IndexError("a packet reaches beyond its datagram")
    if library == NULL or PyBytes_GET_SIZE(secrets) != 44 or end > 0x10000:
        return _spare().unsealed(None, secrets, first, number, datagram, start, at, end)
    length = <int> (end - at) - size - 16
    memcpy(nonce, key + 16, 12)
    for place in range(8):
        digits[7 - place] = (number >> (8 * place)) & 0xFF
        nonce[11 - place] ^= digits[7 - place]
    memcpy(tag, octets + end - 16, 16)
    if (
        library.decrypt_init(library.aead, NULL, NULL, key, nonce) != 1
        or library.control(library.aead, 0x11, 16, tag) != 1
        or library.decrypt_update(library.aead, NULL, &written, &begin, 1) != 1
        or library.decrypt_update(library.aead, NULL, &written, octets + start + 1, <int> (at - start) - 1) != 1
        or library.decrypt_update(library.aead, NULL, &written, &digits[8 - size], size) != 1
    ):
        return _spare().unsealed(None, secrets, first, number, datagram, start, at, end)
    frames = PyBytes_FromStringAndSize(NULL, length)
    # Nothing of this is shown before the tag has been compared.
    if library.decrypt_update(
        library.aead, <unsigned char*> PyBytes_AS_STRING(frames), &written, octets + at + size, length
    ) != 1 or written != length:
        return None
    if library.decrypt_final(library.aead, digits, &rest) != 1 or rest != 0:
        return None
    return frames

# Says whether the library does what it is asked to; a provider of ciphers may have been put in by whoever set it up.
# RFC 4231 case 2 (HMAC), case 1 of the specification of GCM (its H is the block cipher alone), and its case 4, whose
# additional data stands for a header with a packet number of three octets.
cdef inline bint _tried(Library* library) except -1:
    cdef unsigned char[32] mac
    cdef bytes key = b"Jefe", said = b"what do ya want for nothing?"
    cdef bytes zeros = bytes(44)
    cdef bytes keys = bytes.fromhex("feffe9928665731c6d6a8f9467308308cafebabefacedbadde67225a") + bytes(16)
    cdef bytes packet = bytes.fromhex(
        "feedfacedeadbeeffeedfacedeadbeefab" "addad2"
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47"
    )
    if not _hmac(library, key, 4, said, 28, mac):
        return False
    return (
        (<const char*> mac)[:32] == bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        and mask(library, zeros, zeros, 0) == 0x66E94BD4EF
        and unsealed(library, keys, 0xFE, 0xADDAD2, packet, 0, 17, 96) == bytes.fromhex(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
        )
        and unsealed(library, keys, 0xFE, 0xADDAD3, packet, 0, 17, 96) is None
    )
