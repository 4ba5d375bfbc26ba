// Package keys holds the API keys: who may call, for which profile, to do what.
//
// A key is the text "vt_live_" and 43 characters of base64url (32 random bytes). It is
// shown once, when it is made; kept is its SHA-256. A key belongs to one profile or to
// all of them and has scopes. The admin key is not stored here: it comes with the
// configuration, has every scope on every profile and cannot be listed or revoked.
//
// The records live in a KV bucket, one a key, under the key's id. Every instance keeps
// all of them in memory and follows the bucket (Run), so looking a key up costs one hash
// and no I/O. A key that is made or revoked through a Store counts there at once, and on
// the other instances as soon as the bucket has told them.
//
// A record is {id, hash, profile, scopes, name, created, revoked}. The name is a person's
// words, so it is sealed with the system key. When a key was last used is known in memory
// only, and only of this instance.
package keys
