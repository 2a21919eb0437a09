import CCrypto

/// HMAC-SHA-256 under one key, whose two pads are hashed once. <https://www.rfc-editor.org/rfc/rfc2104>
struct ChainMAC: Sendable {
    private let inner: SHA256_CTX
    private let outer: SHA256_CTX

    private static let blockBytes = 64

    /// - Parameter key: of 64 bytes at most; all of ours have 32.
    init(key: [UInt8]) {
        precondition(key.count <= ChainMAC.blockBytes, "a longer key would have to be hashed first")
        func padded(_ pad: UInt8) -> SHA256_CTX {
            var context = SHA256_CTX()
            SHA256_Init(&context)
            let block = (0..<ChainMAC.blockBytes).map { ($0 < key.count ? key[$0] : 0) ^ pad }
            SHA256_Update(&context, block, block.count)
            return context
        }
        inner = padded(0x36)
        outer = padded(0x5c)
    }

    func begin() -> ChainMACInput { ChainMACInput(inner: inner, outer: outer) }

    /// Of bytes that are all there.
    func digest(_ bytes: [UInt8]) -> ChainDigest {
        var input = begin()
        bytes.withUnsafeBytes { input.add($0) }
        return input.end()
    }
}

/// What a code is made of, as it comes. Numbers are big-endian.
struct ChainMACInput {
    private var inner: SHA256_CTX
    private var outer: SHA256_CTX

    fileprivate init(inner: SHA256_CTX, outer: SHA256_CTX) {
        self.inner = inner
        self.outer = outer
    }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        if !bytes.isEmpty { SHA256_Update(&inner, bytes.baseAddress, bytes.count) }
    }

    mutating func add(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.bigEndian) { add($0) }
    }

    mutating func add(_ digest: ChainDigest) { digest.withBytes { add($0) } }

    /// The code; to be asked for once.
    mutating func end() -> ChainDigest {
        var (first, second) = (ChainMACInput.empty, ChainMACInput.empty)
        withUnsafeMutableBytes(of: &first) { bytes in
            _ = SHA256_Final(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), &inner)
        }
        withUnsafeBytes(of: &first) { bytes in _ = SHA256_Update(&outer, bytes.baseAddress, bytes.count) }
        withUnsafeMutableBytes(of: &second) { bytes in
            _ = SHA256_Final(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), &outer)
        }
        return withUnsafeBytes(of: &second) { ChainDigest($0) }
    }

    private static let empty: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
}
