import Metrics

/// Why Grafana has not become what it should be.
struct GrafanaFailure: Error, Sendable, Equatable {
    enum Code: Sendable {
        /// No answer, no Grafana, or nobody that it knows: the next question would end alike.
        case unreachable
        /// It knows us, and does not let us.
        case denied
        /// Something of somebody else is in the way.
        case foreign
        /// It was changed by somebody else, again and again.
        case contended
        /// It says that what we sent is wrong.
        case refused
    }

    var code: Code
    var message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// What an answer means that is not what was asked for.
    ///
    /// - Parameter what: what was tried: `write the folder hf-folder-acme`.
    init(_ answer: GrafanaAnswer, to what: String) {
        let words = answer.words.isEmpty ? "" : ": \(answer.words)"
        switch answer.status {
        case 300..<400:
            let place = answer.location.map { " to \($0)" } ?? ""
            self.init(.unreachable, "--url is answered with \(answer.status)\(place): name Grafana's own address")
        case 401:
            self.init(.unreachable, "Grafana does not know this token or user (401)\(words)")
        case 403:
            self.init(
                .denied,
                "Grafana does not let us \(what) (403)\(words); it takes the role Admin or the permissions for it, or what is "
                    + "there is not ours to see")
        case 429, 500...:
            self.init(.unreachable, "Grafana could not \(what) (\(answer.status)), tried again\(words)")
        default: self.init(.refused, "Grafana refused to \(what) (\(answer.status))\(words)")
        }
    }
}
