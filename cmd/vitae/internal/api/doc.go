// Package api is Vitae's HTTP surface: it turns requests into commands and reads, and
// what comes of them into replies. It decides nothing about profiles.
//
// There is one table of routes (route.go); the mux, the access log's and the metrics'
// names, and the OpenAPI document are made from it. Every route passes through the same
// steps in the same order: request id, key, rate, scope, profile, body.
//
// Errors are RFC 9457 problem documents that name every wrong field at once. On the
// routes that Mokaru documents too, a caller who does not ask for
// application/problem+json gets Mokaru's {error, details, code}. No reply repeats a value
// or a secret.
//
// A read waits until the views have everything that was committed when it came in, so
// everybody reads what they wrote.
package api
