/// What an answer means to a backend that speaks to a broker: it has judged it itself.
enum BrokerOutcome {
    static func of(_ answer: Answer) -> DeliveryOutcome {
        switch answer {
        case .said(let outcome): outcome
        case .failure(let failure): .retry(after: nil, reason: failure.reason)
        case .response(let response): .retry(after: nil, reason: "HTTP \(response.status) from a broker")
        }
    }
}
