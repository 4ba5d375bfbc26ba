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
// # PostPress
//
// PostPress is at /postpress, with the Edit own profile of PATCH /api/v1/users/me/edit, and
// the profile of GET /api/v1/users/me and GET /api/v1/users/{identifier}; all three are also
// there without /api. A key may hold many accounts: an account_id is opened by its first
// use, and belongs to that key until the key is revoked; one that was never written to is
// forgotten at a restart. The state has the profile of each under "account:" and its id,
// with the edits that announced something to the network counted in notifications; and
// under "edit:" and the SHA-256 of an Idempotency-Key the digest of the form that came with
// it. Of a file the SHA-256 and the size are kept. A request that adds an experience or an
// education counts as a create; another that edits one, as an update.
// A fault of kind status may have any documented type of error, like
// "errors/expired_credentials", with its status; a type that is not documented with any; and
// a code without "errors/" before it, for the envelope of the gateway. Where the
// documentation is silent:
//
//   - a broken form, an index in a key, and a wrong query or header, are refused with 400;
//     a key that is not documented, and a wrong value, with 422; a body that is no form,
//     with 415; one of more than 32 MiB, with 400;
//   - a key that is no list comes once; a file has a file name, and bytes;
//   - an empty text is a text, except for what is required and in lists; nothing clears;
//   - numbers are decimal; a month is 1 to 12, a year 1900 to 2100; truth is true or false;
//   - location, settings, open_to_work and custom_link replace what was there whole, and so
//     do the lists of skills; what an edit of an item leaves out stays;
//   - open_to_work[job_title][name] and [id] are repeated equally often, and go by pairs;
//   - seniority has members of any name; a URL is one of http or https;
//   - an edit of an education takes the fields of an education besides the documented ones;
//   - texts have no limit but the documented lengths;
//   - only an edit that was made is remembered by its Idempotency-Key, as long as the account
//     is there; another boundary does not make another form, and another order of parts does;
//   - the error of a revoked key is that of no key;
//   - linkedin_sections is repeated, or parted by commas, of experience, education and skills;
//     a name with _preview gives the first two items; a section that is throttled is read as
//     an empty list, and listed; items are as they were written, with an id and numbers;
//   - identifiers are those of the account itself, no other profile is there.
//
// # Nexudus
//
// Nexudus is at /nexudus, with PATCH /nexudus/api/public/coworker/profile, the profile for
// editing at GET /nexudus/{language}/profile?_resource=Coworker, the countries of the portal,
// and the profiles of an account: GET /nexudus/api/public/coworkers/profiles lists the two,
// PUT /nexudus/api/public/coworkers/profiles/current?coworkerId= makes one the active one,
// which is what the others are about. Any bearer token opens an account. A refusal is an
// ActionConfirmation with its status; see Control for the failures that come with a 200.
// Where the documentation is silent:
//
//   - names that are no fields are refused, and names that are given twice; a body without
//     a field changes nothing and is accepted;
//   - FullName must not be empty; other texts may be, but for DateOfBirth, which is
//     YYYY-MM-DD and is read back as it was sent;
//   - what was never set is read as null, as "" when it is a text that cannot be null, and
//     as false; a country as null;
//   - a new password has at least 8 characters and is another than the old one. The first
//     one is "nexudus-demo". One password is for both profiles, and what is kept of it is
//     a salted hash;
//   - a token is renewed with a refresh token, which can be used once; what it gives is for
//     the same account. Both are in memory only. There are no logins by password;
//   - the list of countries takes no query, and has not every country.
//
// # Jarvi
//
// Jarvi is at /jarvi, with POST and GET of /jarvi/v1/public-api/rest/v2/profiles. Any
// X-API-KEY of at least 16 characters opens an account, which is all profiles of the key.
// A POST with the id or the externalId of a profile updates that one, and any other makes
// a new one; both are answered 201. It adds a line to the history with each POST that has
// something of one, and each file that comes. Where the documentation is silent:
//
//   - values are texts, and null is none; names that are no fields and no uuids, and names
//     that are given twice, are refused with 400;
//   - a list of addresses or of phone numbers takes the place of the one before. A part
//     of it must not be empty; an address has no name, and a phone number a digit;
//   - an id that no profile has is answered 404, and an id and an externalId of two
//     profiles 400, also when the profile with the id has another externalId. A profile that
//     was deleted can be found by its id, and not by its externalId;
//   - nothing takes a value away; an empty text is a text, but not for externalId, uuids
//     and lists;
//   - of a file its name, length and SHA-256 are kept. It has something in it;
//   - a GET takes where, orderBy, limit and offset, each once. A where with anything that
//     is not understood is ignored; so is limit: there are up to 100 rows always. A
//     limit of 1000 or more together with orderBy is a server error. total is how many rows
//     there are without limit and offset;
//   - a row has no place as a text, no job, no company and no custom fields. locationId
//     is there when location is set, and is another for another text;
//   - deleted profiles are in the answers of GET, with deletedAt.
//
// # Effects
//
// A write that is accepted is one record in the Store, appended before it is answered;
// so are a revocation and a reset. New replays the records. The log of requests, queued
// faults, the lag of reads, the counts of the limits, and what is set and handed out by
// /_sandbox/nexudus are in memory only, and end with a reset.
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
//	POST   /_sandbox/nexudus/soft                   {"on": true}: failures of validation come with a 200 and WasSuccessful false
//	POST   /_sandbox/nexudus/password               {"password": text}: the one of the accounts that have not changed theirs
//	POST   /_sandbox/nexudus/refresh                a refresh token for the account that the headers of a provider call name
//	POST   /_sandbox/jarvi/delete                   {"profileId": uuid}: deletes a profile of the account that the headers name
//	POST   /_sandbox/{provider}/revoke              {"account": name}: its key is refused from now on
//	POST   /_sandbox/postpress/throttle             {"sections": ["experience"]}: reads withhold them from now on; [] ends it
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
