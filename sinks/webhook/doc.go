// Package webhook delivers the events of the feed to the HTTPS endpoints of subscribers, as
// Standard Webhooks (https://www.standardwebhooks.com) says: signed, retried, in a body that
// is a CloudEvent in the JSON format.
//
// # An endpoint
//
// An endpoint has a URL, a filter, a secret and the scopes of the key that made it. Its
// record is sealed, with the key of its profile if it is about one: then it is gone with
// it. It may be disabled, because it answered 410 or because its key was revoked; a Redrive
// enables it again.
//
// # Order, and one endpoint's trouble
//
// Events of one profile are delivered one after the other. An endpoint has a cursor: its
// place in the feed. An event that is not taken makes its profile fall behind: a lane, which
// is the place of the first event of that profile that was not delivered. The cursor goes on
// without it, and the lane is tried again on the schedule of the standard, until it has
// caught up. So one profile's trouble holds up no other, and one endpoint's no other.
// An endpoint that does not answer at all is not offered new events until it does.
//
// When an event has been tried for the last time it is kept as failed, the lane goes on with
// the next one, and Redrive offers the failed ones again.
//
// # Promised
//
// Every event that the filter takes is delivered at least once, or is shown as failed, or as
// lost in a reset (the feed has given it up). The same event has the same webhook-id. The
// cursor is stored after what it stands for; a crash in between means that some events come
// twice.
//
// # Where a request may go
//
// The address is checked when it is dialled, after names are resolved, so a name that
// resolves to a private address is refused as well; redirects are not followed and no proxy
// is asked. Nothing of an answer is kept but its status.
package webhook
