/// Tenant ids name folders, header values and metric labels, so they keep to an alphabet that is safe in all three.
///
/// 1 to 63 of `a-z 0-9 _ -`, beginning with a letter or digit: no dots or slashes (paths), no upper case (file systems
/// that fold case would make two tenants share a spool), no leading dash (command lines).
public enum TenantID {
    public static let maximumLength = 63

    /// - Throws: `.misuse` that says what is wrong with it.
    public static func check(_ tenant: String) throws(SpoolError) {
        guard let first = tenant.utf8.first else { throw SpoolError(.misuse, "a tenant id is not empty") }
        guard tenant.utf8.count <= maximumLength else {
            throw SpoolError(.misuse, "a tenant id has at most \(maximumLength) characters")
        }
        guard isLetterOrDigit(first), tenant.utf8.allSatisfy(isAllowed) else {
            throw SpoolError(
                .misuse,
                "a tenant id has only a-z, 0-9, _ and -, and begins with a letter or digit: \"\(tenant)\" does not")
        }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        isLetterOrDigit(byte) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
    }
}
