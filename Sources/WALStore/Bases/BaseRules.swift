/// When a new base pays.
package struct BaseRules: Sendable {
    /// Fewer series are not worth rows of their own.
    package var fewestSeries = 64
    /// How often a base's series are found in it, on the average, before it is renewed: its own bytes are then next to nothing
    /// among those of the blocks that stand on it, and its values not too old to tell the next ones.
    package var usesASeries = 64
    /// By how many rows it is named before that: they all go with it.
    package var mostRows = 1024

    package init(fewestSeries: Int = 64, usesASeries: Int = 64, mostRows: Int = 1024) {
        self.fewestSeries = fewestSeries
        self.usesASeries = usesASeries
        self.mostRows = mostRows
    }
}
