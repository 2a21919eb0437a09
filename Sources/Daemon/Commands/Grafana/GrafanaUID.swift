import WALStore

/// The uid of each thing that is made in Grafana: the same every time, so that nothing is made twice.
///
/// Grafana allows 40 letters, digits, `-` and `_`, and on some databases does not tell upper case from lower.
enum GrafanaUID {
    static let maximumCharacters = 40
    /// What all of them begin with.
    static let prefix = "hf-"
    private static let digits = 16

    /// `hf-rule-dead-acme`; of a tenant that is too long for it `hf-rule-dead--` and a digest. No tenant begins with `-`, and
    /// no name has one in it, so that nothing has the uid of another thing.
    ///
    /// - Parameters:
    ///   - kind: a word.
    ///   - name: what it is among its kind, at most 14 characters; nil: there is one for a tenant.
    static func of(_ kind: String, _ name: String? = nil, tenant: String) -> String {
        precondition(!kind.contains("-") && name?.contains("-") != true, "a word with a dash could be two")
        let stem = prefix + kind + "-" + (name.map { $0 + "-" } ?? "")
        if stem.utf8.count + tenant.utf8.count <= maximumCharacters { return stem + tenant }
        precondition(stem.utf8.count + 1 + digits <= maximumCharacters, "the name is too long for a uid")
        let digest = SHA256()
        digest.update(tenant.utf8)
        let number = digest.current().prefix(digits / 2).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let hexadecimal = String(number, radix: 16)
        return stem + "-" + String(repeating: "0", count: digits - hexadecimal.count) + hexadecimal
    }
}

extension GrafanaUID {
    /// Whether it can stand in a path as it is: Grafana's answers are not trusted with that.
    static func isPlain(_ uid: String) -> Bool {
        !uid.isEmpty && uid.utf8.count <= maximumCharacters
            && uid.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
    }
}
