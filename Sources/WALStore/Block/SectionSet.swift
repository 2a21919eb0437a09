/// Sections of a block that somebody wants to read.
struct SectionSet: Sendable, Hashable {
    private var bits: UInt64

    static let all = SectionSet(bits: .max)
    static let none = SectionSet(bits: 0)

    private init(bits: UInt64) { self.bits = bits }
    init(_ sections: [Block.SectionID]) { bits = sections.reduce(0) { $0 | 1 << UInt64($1.rawValue) } }

    func has(_ section: Block.SectionID) -> Bool { bits >> UInt64(section.rawValue) & 1 == 1 }
    func subtracting(_ other: SectionSet) -> SectionSet { SectionSet(bits: bits & ~other.bits) }
    func union(_ other: SectionSet) -> SectionSet { SectionSet(bits: bits | other.bits) }
}
