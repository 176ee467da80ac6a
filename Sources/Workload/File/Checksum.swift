// CRC-32C (Castagnoli, RFC 3720 appendix B.4): finds every burst of damage up to 32 bits, and
// others but for one in four billion.

/// The CRC-32C of `bytes`.
func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
  var sum = UInt32.max
  for byte in bytes { sum = sum >> 8 ^ checksumTable[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] }
  return ~sum
}

/// By byte, what it adds: division by the reversed polynomial.
private let checksumTable: [UInt32] = (0..<256).map { byte in
  (0..<8).reduce(UInt32(byte)) { sum, _ in sum & 1 == 0 ? sum >> 1 : sum >> 1 ^ 0x82F6_3B78 }
}
