import CCrypto

/// SHA-256 over bytes that come in pieces. <https://csrc.nist.gov/pubs/fips/180-4/upd1/final>
package final class SHA256 {
    package static let bytes = 32
    private let context: OpaquePointer

    package init() {
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            preconditionFailure("libcrypto has no SHA-256, or the machine no memory")
        }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    package func update(_ bytes: some Collection<UInt8>) {
        let done = bytes.withContiguousStorageIfAvailable { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
        if done == nil { Array(bytes).withUnsafeBytes { _ = EVP_DigestUpdate(context, $0.baseAddress, $0.count) } }
    }

    /// The digest of what has come so far, 32 bytes; more may come.
    package func current() -> [UInt8] {
        guard let copy = EVP_MD_CTX_new(), EVP_MD_CTX_copy_ex(copy, context) == 1 else {
            preconditionFailure("the machine has no memory for a digest")
        }
        defer { EVP_MD_CTX_free(copy) }
        var digest = [UInt8](repeating: 0, count: SHA256.bytes)
        EVP_DigestFinal_ex(copy, &digest, nil)
        return digest
    }

    /// The digest in 64 hexadecimal digits; to be called once.
    func finish() -> String {
        var digest = [UInt8](repeating: 0, count: SHA256.bytes)
        EVP_DigestFinal_ex(context, &digest, nil)
        return SalvageNote.hexadecimal(digest)
    }
}

@available(*, unavailable)
extension SHA256: Sendable {}
