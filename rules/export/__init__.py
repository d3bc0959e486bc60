"""What leaves the district: evidence packs, the public annual table, host lists, what an oversight body gets."""
