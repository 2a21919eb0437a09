/// Answers one request, from any thread. The first answer counts; later ones, and answers to a request that was given
/// up, do nothing.
final class Responder: Sendable {
    private let exchange: Exchange
    init(_ exchange: Exchange) { self.exchange = exchange }

    func reply(_ reply: Reply) { exchange.answer(reply) }

    /// Lets a paused body stream go on.
    func proceed() { exchange.proceed() }
}
