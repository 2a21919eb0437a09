/// Text that equals only the same bytes.
///
/// `String`'s own equality is Unicode's canonical equivalence: "é" as one scalar equals "e" with an accent behind it.
/// To every backend those are two names, so nothing that identifies a series may be looked up by it.
/// <https://unicode.org/reports/tr15/>
struct ExactText: Hashable {
    let text: String
    init(_ text: String) { self.text = text }

    static func == (left: ExactText, right: ExactText) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }

    func hash(into hasher: inout Hasher) {
        // Native strings lend their bytes; nothing is copied.
        let didLend: Void? = text.utf8.withContiguousStorageIfAvailable {
            hasher.combine(bytes: UnsafeRawBufferPointer($0))
        }
        if didLend == nil { for byte in text.utf8 { hasher.combine(byte) } }
        hasher.combine(UInt8(0xff))  // No text holds this byte: "a" + "b" is not "ab" + "".
    }
}
