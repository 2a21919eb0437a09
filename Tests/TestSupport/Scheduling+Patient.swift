import WALStore

extension Scheduling {
    /// No thread that waits counts as held by its disk: on a loaded machine it waits for a processor. For tests that are not of
    /// that.
    package static var patient: Scheduling {
        var scheduling = Scheduling()
        scheduling.stalls = StallLimits(standIn: .seconds(3600), passedOver: .seconds(3600), said: .seconds(3600))
        return scheduling
    }
}
