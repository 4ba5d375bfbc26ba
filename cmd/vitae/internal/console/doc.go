// Package console is Vitae's web console: small pages that the server renders, without
// any script and without a request to anywhere else.
//
// It is an ordinary client of the API. Every page asks the API in the same process, with
// the key that the person signed in with, so what a person may see and do is decided in
// one place. What a key may not see is left out with a word about it; the rest of the
// page is shown.
//
// A key is pasted once. It stays in the memory of this process, under the digest of a
// random session id, for at most 12 hours or one idle hour; it is never in a page, a
// cookie or a log. A restart signs everybody out.
//
// Forms are safe against other sites three times over: the cookie is SameSite=Strict,
// net/http refuses writes from another origin, and the content security policy lets no
// page frame the console and no form lead out of it.
package console
