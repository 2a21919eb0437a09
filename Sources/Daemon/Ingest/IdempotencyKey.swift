import WALStore

/// What a request says wrongly of its being sent again; for a 400.
struct ResendMistake: Error {
    var message: String
}

/// `Idempotency-Key`: requests with the same one and the same credential are one request.
/// <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>
enum IdempotencyKey {
    static let maximumBytes = 255

    /// What the key of a request is known by in its tenant's spool; nil: it has none.
    ///
    /// - Throws: when it is empty, too long, or holds what no token or quoted text may.
    static func name(of head: RequestHead, allowingParameters: Bool) throws(ResendMistake) -> [UInt8]? {
        guard let given = head.header("idempotency-key") else { return nil }
        var key = given.utf8[...]
        // The draft's form is a quoted text; many senders leave the quotes out.
        if key.count >= 2, key.first == UInt8(ascii: "\""), key.last == UInt8(ascii: "\"") {
            key = key.dropFirst().dropLast()
        }
        guard (1...maximumBytes).contains(key.count), key.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw ResendMistake(
                message: "the Idempotency-Key must be 1 to \(maximumBytes) visible ASCII characters")
        }
        let digest = SHA256()
        for part in Credential(of: head, allowingParameters: allowingParameters).parts + [Array(key)] {
            withUnsafeBytes(of: UInt64(part.count).littleEndian) { digest.update(Array($0)) }
            digest.update(part)
        }
        return digest.current()
    }

    /// The name of a key that the preflight has looked at.
    static func known(of head: RequestHead, allowingParameters: Bool = false) -> [UInt8]? {
        do throws(ResendMistake) {
            return try name(of: head, allowingParameters: allowingParameters)
        } catch {
            return nil
        }
    }

    /// The digest of a body, to which its bytes are added: decompressed, and after what they were read as, so that the
    /// same bytes with another meaning are another request.
    static func body(of meaning: String) -> SHA256 {
        let digest = SHA256()
        digest.update(Array(meaning.utf8) + [0])
        return digest
    }
}

extension Credential {
    /// What tells it from every other.
    fileprivate var parts: [[UInt8]] {
        switch self {
        case .none: []
        case .token(let token): [Array(token.utf8)]
        case .user(let name, let password): [Array(name.utf8), Array(password.utf8)]
        case .unreadable: [[], []]
        }
    }
}
