/// One path and what answers it.
struct Route: Sendable {
    /// Answers a request whose body has arrived whole; on the server's thread: compute, but do not wait.
    typealias Handler = @Sendable (_ request: IncomingRequest, _ responder: Responder) -> Void
    /// Looks at the headers before any of the body is read.
    typealias Preflight = @Sendable (_ head: RequestHead) -> Admission

    typealias MakeStream =
        @Sendable (_ head: RequestHead, _ ticket: (any AdmissionTicket)?, _ responder: Responder) -> any BodyStream

    enum Body: Sendable {
        case gathered(Handler)
        /// The body goes to a stream as it arrives.
        case streamed(MakeStream)
    }
    /// Upper case; `HEAD` is answered wherever `GET` is.
    var methods: [String]
    var path: String
    /// Also everything below `path`, which then ends in a slash.
    var isPrefix = false
    /// Bytes over the wire; nil: the server's `maximumBodyBytes`. A streamed body may be unbounded (`Int.max`).
    var maximumBodyBytes: Int?
    var preflight: Preflight?
    var body: Body

    init(
        _ methods: [String], _ path: String, isPrefix: Bool = false, maximumBodyBytes: Int? = nil,
        preflight: Preflight? = nil, handler: @escaping Handler
    ) {
        self.init(
            methods, path, isPrefix: isPrefix, maximumBodyBytes: maximumBodyBytes, preflight: preflight,
            body: .gathered(handler))
    }

    init(
        _ methods: [String], _ path: String, isPrefix: Bool = false, maximumBodyBytes: Int? = nil,
        preflight: Preflight? = nil, body: Body
    ) {
        self.methods = methods
        self.path = path
        self.isPrefix = isPrefix
        self.maximumBodyBytes = maximumBodyBytes
        self.preflight = preflight
        self.body = body
    }
}

/// What the headers of a request earn it.
enum Admission: Sendable {
    /// Its body may come. The ticket, if any, goes with the request.
    case admitted((any AdmissionTicket)?)
    case refused(Reply)
}

/// What was found out, and reserved, before the body. Whatever it reserves is returned when nobody holds it any more.
protocol AdmissionTicket: AnyObject, Sendable {
    /// Called before a gathered body grows to so many bytes. A reply refuses the request.
    func admit(bodyBytes: Int) -> Reply?
}

/// Takes a body piece by piece, on the server's thread, one call at a time.
protocol BodyStream: AnyObject, Sendable {
    /// Takes all of `bytes`. `.pause` stops reading from the sender until `Responder.proceed()` is called, which may
    /// already have happened when this returns.
    func receive(_ bytes: UnsafeRawBufferPointer) -> StreamStep
    /// The body is complete: the answer is due through the responder.
    func finish()
    /// The sender went away before the end: nobody will read an answer.
    func abandon()
}

enum StreamStep: Sendable { case proceed, pause }
