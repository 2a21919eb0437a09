/// Answers one request, from any thread. The first answer counts; later ones, and answers to a request that was given
/// up, do nothing.
final class Responder: Sendable {
    func reply(_ reply: Reply) {}
    /// Lets a paused body stream go on.
    func proceed() {}
}
