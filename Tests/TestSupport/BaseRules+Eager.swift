import WALStore

extension BaseRules {
    /// Whatever comes twice is in a base, which soon gives way to the next: the few series of a test have all that many have.
    package static let eager = BaseRules(fewestSeries: 1, usesASeries: 5, mostRows: 7)
}
