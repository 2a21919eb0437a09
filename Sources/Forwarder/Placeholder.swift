public final class HTTPTransport: Sendable {}
