//! Why Vestibule itself refuses a request: the sender's doing, or a rule's.

/// A deliberate refusal. What each one looks like to the client, in the log
/// and in metrics is decided in one place, `proxy::answer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The `Host` is none that this listener serves.
    NotOurHost,
    /// Nothing is served at this path here.
    NothingHere,
    /// The path leaves its prefix once it is decoded.
    EscapesPrefix,
    /// One of our own documents was asked for with another method than GET,
    /// HEAD or OPTIONS.
    MethodNotAllowed,
    /// Matrix over plain HTTP, on a listener that only redirects.
    PlainHttp,
    /// The request target is not one that HTTP/1.1 can carry untouched.
    BadTarget,
    /// The request target is longer than the limit.
    TargetTooLong,
    /// The request has no `Host`, or a malformed one.
    BadHost,
    /// The head nominates fields for removal that are not the client's to remove, or gives its
    /// length more than once.
    BadHead,
    /// The head is larger than the limit.
    HeadTooLarge,
    /// The head has more fields than the limit.
    TooManyFields,
    /// The method is none that HTTP or a Matrix server knows.
    UnknownMethod,
    /// CONNECT or TRACE.
    RefusedMethod,
    /// `Expect` asks for something other than `100-continue`.
    BadExpectation,
    /// The client's address has too many requests in progress.
    TooManyRequests,
    /// Too many requests wait for their turn at the homeserver.
    TooManyWaiting,
    /// The sender has waited for its turn for as long as its kind of work may.
    OverBudget,
    /// No server says to send what only servers may.
    NoCredentials,
    /// The signature is none that the server made who says to send the request.
    WrongSignature,
    /// Only who has proven to be a server may send this, and nobody has.
    Unproven,
    /// A rule denies it to the server that says to send it.
    OriginForbidden,
    /// The same, and the server is told that nobody knows it.
    OriginUnauthorized,
    /// The same, and the server is told to come later.
    OriginTarpit,
    /// Who sends it can be read in two ways, and one of them may be denied.
    AmbiguousOrigin,
    /// It is meant for another server.
    WrongDestination,
    /// The body is larger than its endpoint accepts.
    BodyTooLarge,
    /// The keys of more servers are asked for at once than a notary looks up.
    TooManyServers,
    /// The body does not follow HTTP's framing.
    BadBody,
    /// The body came slower than the least rate.
    BodyTooSlow,
}
