// Package sandbox is strict stand-ins for the providers: HTTP servers that hold accounts
// and answer by the providers' published rules, so that sinks can be run and tested
// without an account anywhere. It shares no code with the sinks; what both know of a
// provider was read from that provider's documentation twice.
//
// A provider is served under its name; see its own part for what it has. Arrival,
// accounts, revocations, faults, lag, effects and their replay are the same for all. A
// stand-in refuses whatever the documentation does not allow, where a real provider may
// be kinder.
//
// # Mokaru
//
// At /mokaru, with the profile of GET and PATCH /v1/profile, and the lists
// /v1/experiences, /v1/education and /v1/skills: GET and POST of a list, GET, PATCH and
// DELETE of an item by its id. A POST always makes another item. The profile shows the
// three lists as workExperiences, educations and skills, without ids, and does not take
// them. Requests for an account share one limit. Where the documentation is silent:
//
//   - a text's length is counted in code points of its NFC form, before the provider
//     completes it to a URL; the text itself is kept as it was sent;
//   - an empty text is a text, except for firstName, lastName and email, for birthDate,
//     which has a form, and in the items with ids for what is required, for dates and for
//     level;
//   - dates inside the collections of the profile are texts; one that is a calendar day
//     is read back, like birthDate, as midnight UTC, YYYY-MM-DDT00:00:00.000Z. Dates of
//     items with ids are YYYY, YYYY-MM or YYYY-MM-DD, and are read back in the same way;
//   - an item with an id is read with every member: null for what is not set, false for
//     isCurrent, [] for a list of texts. A POST takes no null, and a PATCH none for
//     isCurrent and for what is required;
//   - items are in the order in which they were made; a page that is less than one item
//     or more than 100, a negative offset and another parameter are refused;
//   - requests with a usable key count against the limit also when they are wrong, and
//     do not count when they were refused for the limit.
//
// # Effects
//
// A write that is accepted is one record in the Store, appended before it is answered;
// so are a revocation and a reset. New replays the records. The log of requests, queued
// faults, the lag of reads and the counts of the limits are in memory only.
//
// # Control
//
// Under /_sandbox, for clients on loopback only; a page of another origin can change
// nothing. Answers are JSON; an error is {"error": text}. {provider} is a provider's name.
//
//	GET    /_sandbox/accounts                       every account, without its profile, see Account
//	GET    /_sandbox/{provider}/accounts/{account}  one of them, with its profile as it is kept
//	GET    /_sandbox/{provider}/account             the same, found by the headers of a provider call
//	GET    /_sandbox/requests                       the requests in the order of their arrival, see Request
//	POST   /_sandbox/faults                         queues a fault, see Fault
//	DELETE /_sandbox/faults                         removes all that are queued
//	POST   /_sandbox/{provider}/lag                 {"delay": "2s"}: reads do not show younger changes; "0s" ends it
//	POST   /_sandbox/{provider}/revoke              {"account": name}: its key is refused from now on
//	POST   /_sandbox/reset                          forgets everything: accounts, revocations, requests, faults, lag
//
// An account is called by the first eight hex digits of the SHA-256 of its key. The name
// is known before the first call: by the headers of a call, an account that was never
// called is shown too, in state "unopened". The other states are "active" and "revoked".
// After a restart a replayed effect counts as a request, and requests without a record
// are forgotten.
//
// A lag is about the changes that are made while it lasts, by the clock of the Options.
// Reads show an account as it was before the oldest change that is younger than the
// delay; writes and the control surface go by what it is.
package sandbox
