extension Spool {
    /// Why new points are refused at present, whatever their size; nil while they are taken in, or dropped as the policy
    /// says.
    var refusal: String? {
        switch admission {
        case .reject(let reason): reason
        case .accept: intakeProblem
        case .dropNewest: nil
        }
    }

    /// New points could not be stored, or were: an operator hears when that begins and when it ends.
    func noteIntake(_ error: SpoolError?) {
        guard let error else {
            if intakeProblem != nil { raise(.info, "a spool takes new points again") }
            intakeProblem = nil
            return
        }
        guard admission.isAccept, !error.isAboutOneRequest, error.code != .closing else { return }
        if intakeProblem == nil {
            raise(.error, "a spool cannot store new points and refuses them", ["error": error.description])
        }
        intakeProblem = error.message
    }

    /// Whoever mends the disk need not send anything: asks for what lies outside the database and was refused.
    func probeIntake() {
        guard intakeProblem != nil else { return }
        do throws(SpoolError) {
            reservedBefore = max(reservedBefore, try environment.reserveSequences(ledger.nextSequence))
            noteIntake(nil)
        } catch {
            intakeProblem = error.message
        }
    }
}
