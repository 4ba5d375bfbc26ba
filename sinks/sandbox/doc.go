// Package sandbox is strict stand-ins for the providers: HTTP servers that hold accounts
// and answer by the providers' published rules, so that sinks can be run and tested
// without an account anywhere. It shares no code with the sinks; what both know of a
// provider was read from that provider's documentation twice.
//
// Mokaru is at /mokaru, with the profile of GET and PATCH /mokaru/v1/profile. A stand-in
// refuses whatever the documentation does not allow, where a real provider may be
// kinder. Where the documentation is silent:
//
//   - a text's length is counted in code points of its NFC form, before the provider
//     completes it to a URL; the text itself is kept as it was sent;
//   - an empty text is a text, except for firstName, lastName and email, and for
//     birthDate, which has a form;
//   - dates inside items are texts; one that is a calendar day is read back, like
//     birthDate, as midnight UTC, YYYY-MM-DDT00:00:00.000Z;
//   - requests with a usable key count against the limit also when they are wrong, and
//     do not count when they were refused for the limit.
//
// # Effects
//
// A PATCH that is accepted is one record in the Store, appended before it is answered;
// so are a revocation and a reset. New replays the records. The log of requests, queued
// faults and the sliding windows of the limits are in memory only.
//
// # Control
//
// Under /_sandbox, for clients on loopback only; a page of another origin can change
// nothing. Answers are JSON; an error is {"error": text}.
//
//	GET    /_sandbox/accounts                   every account: provider, account, requests, writes, patches, state
//	GET    /_sandbox/mokaru/accounts/{account}  one of them, with its profile as it is kept
//	GET    /_sandbox/mokaru/account             the same, found by the Authorization header of a provider call
//	GET    /_sandbox/requests                   the requests in the order of their arrival
//	POST   /_sandbox/faults                     queues a fault, see Fault
//	DELETE /_sandbox/faults                     removes all that are queued
//	POST   /_sandbox/mokaru/revoke              {"account": name}: its key is refused from now on
//	POST   /_sandbox/reset                      forgets everything: accounts, revocations, requests, faults
//
// An account is called by the first eight hex digits of the SHA-256 of its key. The name
// is known before the first call: by the Authorization header, an account that was never
// called is shown too, in state "unopened". The other states are "active" and "revoked".
// requests counts what came with the account's key, patches the accepted PATCHes, and
// writes those that changed something; after a restart a replayed PATCH counts as a
// request, and requests without a record are forgotten.
package sandbox
