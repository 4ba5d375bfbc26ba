package ledger

import (
	"errors"
	"strings"
)

// The errors a caller of a command can act on. Everything else is a fault.
var (
	// ErrConflict: somebody else wrote first. Read again and decide again.
	ErrConflict = errors.New("conflict: the ledger moved on")
	// ErrPrecondition: the profile is not at the sequence that the caller expected.
	ErrPrecondition = errors.New("precondition failed: the profile has changed")
	// ErrUnknown: it cannot be said whether the commit was stored. Ask again with the
	// same idempotency key.
	ErrUnknown = errors.New("outcome unknown")
	// ErrCapacity: the store cannot take it now (limits, disk, too large). Nothing was written.
	ErrCapacity = errors.New("no capacity")
	// ErrNotFound: there is no such profile, resume, item or file.
	ErrNotFound = errors.New("not found")
	// ErrExists: the thing to be created is there already.
	ErrExists = errors.New("exists already")
	// ErrErased: the profile was erased; its values are gone for good.
	ErrErased = errors.New("erased")
	// ErrIdemMismatch: the idempotency key was used before with another request.
	ErrIdemMismatch = errors.New("idempotency key was used with another request")
	// ErrIdemBusy: the first request under this idempotency key is still running.
	ErrIdemBusy = errors.New("the first request under this idempotency key is still running")
	// ErrUnavailable: this instance cannot serve it now; try again.
	ErrUnavailable = errors.New("unavailable")
	// ErrNotAllowed: the thing exists but must not be changed so (deleting the base resume).
	ErrNotAllowed = errors.New("not allowed")
)

// FieldError names one wrong field of a request.
type FieldError struct {
	Pointer string `json:"pointer"` // RFC 6901, into the request body
	Code    string `json:"code"`    // one of the Code constants
	Message string `json:"message"` // a sentence for the caller; never a value
}

// The codes of a FieldError.
const (
	CodeUnknownField = "unknown_field"
	CodeWrongType    = "wrong_type"
	CodeRequired     = "required"
	CodeTooLong      = "too_long"
	CodeTooMany      = "too_many_items"
	CodeEmpty        = "empty"
	CodeNotClearable = "not_clearable"
	CodeFormat       = "invalid_format"
	CodeNotOneOf     = "not_one_of"
	CodeDuplicate    = "duplicate"
	CodeSyntax       = "invalid_json"
	CodeUnknownItem  = "unknown_item"
	CodeUnknownFile  = "unknown_file"
	CodeOutOfRange   = "out_of_range"
)

// Refusal is a command that was understood and is wrong: it names every wrong field at
// once, and nothing was written. Retrying it unchanged will not help.
type Refusal struct {
	Fields []FieldError
}

func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString("refused: ")
	for i, f := range r.Fields {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.Pointer)
		b.WriteString(": ")
		b.WriteString(f.Message)
	}
	return b.String()
}

// Refuse makes a Refusal with one field; use it where only one thing can be wrong.
func Refuse(pointer, code, message string) error {
	return &Refusal{Fields: []FieldError{{Pointer: pointer, Code: code, Message: message}}}
}
