import Synchronization
import WALStore

/// In which form each tenant's requests go out: the one that is wanted, until the receiver shows that it does not know it;
/// from then on 1.0. After a while one request asks again.
///
/// Kept in memory: a start costs one request that is refused. It has an entry for each tenant that has sent something.
final class RemoteWriteForms: Sendable {
    private enum Knowledge {
        case taken
        /// - Parameter until: boot clock, nanoseconds.
        case refused(until: Int64)
    }

    /// So long what was refused is not tried again.
    static let asksAgainAfter: Duration = .seconds(3600)

    let wanted: RemoteWriteForm
    /// Whether 1.0 may take its place.
    let mayFallBack: Bool
    private let backend: String
    private let environment: BackendEnvironment
    private let known = Mutex<[String: Knowledge]>([:])

    init(_ wanted: RemoteWriteForm, mayFallBack: Bool, backend: String, environment: BackendEnvironment) {
        self.wanted = wanted
        self.mayFallBack = mayFallBack
        self.backend = backend
        self.environment = environment
    }

    /// For the next request of `tenant`.
    func choose(_ tenant: String) -> RemoteWriteShape {
        guard wanted != .first else { return RemoteWriteShape() }
        let now = environment.time.boot()
        return known.withLock { known in
            switch known[tenant] {
            case .refused(let until) where now < until: return RemoteWriteShape()
            case .refused:
                // This one asks; the others wait for its answer.
                known[tenant] = .refused(until: now + RemoteWriteForms.asksAgainAfter.wholeNanoseconds)
                return RemoteWriteShape(form: wanted, mayFallBack: mayFallBack)
            case .taken: return RemoteWriteShape(form: wanted, isProven: true, mayFallBack: mayFallBack)
            case nil: return RemoteWriteShape(form: wanted, mayFallBack: mayFallBack)
            }
        }
    }

    /// What an answer to a request of `tenant` shows.
    func learn(_ answer: Answer, to shape: RemoteWriteShape, _ tenant: String) {
        guard wanted != .first, case .response(let response) = answer else { return }
        if shape.form == .first {
            // Neither is known any more: the next attempt begins with the one that is wanted.
            if response.status == 415 { known.withLock { $0[tenant] = nil } }
        } else if RemoteWriteAnswer.refusesForm(response, shape) {
            if mayFallBack { refused(response.status, tenant) }
        } else if RemoteWriteAnswer.showsForm(response, shape) {
            known.withLock { $0[tenant] = .taken }
        }
    }

    private func refused(_ status: Int, _ tenant: String) {
        let until = environment.time.boot() + RemoteWriteForms.asksAgainAfter.wholeNanoseconds
        let isNews = known.withLock { known in
            defer { known[tenant] = .refused(until: until) }
            if case .refused = known[tenant] { return false }
            return true
        }
        guard isNews else { return }
        environment.events(
            Event(
                .info, "the receiver does not take the wanted form of remote write; it gets 1.0",
                ["tenant": tenant, "backend": backend, "status": "\(status)"]))
    }
}
