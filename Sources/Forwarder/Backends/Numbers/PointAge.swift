import WALStore

/// How far from now a point may be that a backend keeps. What is beyond is answered with a success and dropped, so that it must not
/// be sent: it would count as delivered.
struct PointAge: Sendable {
    /// Whose limits they are, for people.
    var owner = ""
    /// nil: of any age.
    var oldest: Duration?
    var ahead: Duration?

    struct Fault {
        var code: String
        var words: String
    }

    /// - Parameters: nanoseconds since the epoch.
    func fault(_ time: Int64, now: Int64) -> Fault? {
        if isTooOld(time, now: now), let oldest {
            return Fault(
                code: "too_old",
                words: "it was older than \(oldest.components.seconds) s, which \(owner) answers well and does not keep"
            )
        }
        if let ahead, time.subtractingReportingOverflow(now).partialValue > ahead.wholeNanoseconds, time > now {
            return Fault(
                code: "too_new",
                words:
                    "its time was more than \(ahead.components.seconds) s ahead, which \(owner) answers well and does not keep"
            )
        }
        return nil
    }

    func isTooOld(_ time: Int64, now: Int64) -> Bool {
        guard let oldest, time < now else { return false }
        let (age, overflow) = now.subtractingReportingOverflow(time)
        return overflow || age > oldest.wholeNanoseconds
    }
}
