package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"vitae/cmd/vitae/internal/client"
	"vitae/ledger"
)

// The exit codes. They are part of the API contract.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2   // the command line or the configuration is wrong
	exitPartial     = 3   // some of it was done, or something is parked
	exitAuth        = 4   // no key, an unknown one, or one that must not do this
	exitNotFound    = 5   // no such thing, or erased
	exitConflict    = 6   // somebody else was first
	exitUnavailable = 7   // no answer, or not in time
	exitVerify      = 8   // what was checked is not intact
	exitInterrupted = 130 // Ctrl-C
)

// coded is an error that knows its exit code.
type coded struct {
	code int
	err  error
}

func (e *coded) Error() string { return e.err.Error() }
func (e *coded) Unwrap() error { return e.err }

func failWith(code int, format string, a ...any) error {
	return &coded{code, fmt.Errorf(format, a...)}
}

// usage is a mistake on the command line.
func usage(format string, a ...any) error { return failWith(exitUsage, format, a...) }

// errInterrupted is the cause of a context that a signal has ended.
var errInterrupted = errors.New("interrupted")

// exitCode is the one place where what went wrong becomes an exit code.
func exitCode(err error) int {
	var known *coded
	var refused *client.Error
	var lost *client.Unreachable
	var chain *ledger.ChainError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &known):
		return known.code
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &refused):
		return statusCode(refused.Status)
	case errors.As(err, &lost), errors.Is(err, context.DeadlineExceeded), errors.Is(err, ledger.ErrUnavailable), errors.Is(err, ledger.ErrUnknown):
		return exitUnavailable
	case errors.As(err, &chain):
		return exitVerify
	case errors.Is(err, ledger.ErrNotFound), errors.Is(err, ledger.ErrErased):
		return exitNotFound
	case errors.Is(err, ledger.ErrConflict), errors.Is(err, ledger.ErrPrecondition):
		return exitConflict
	default:
		return exitFailed
	}
}

// statusCode is the exit code for an HTTP status.
func statusCode(status int) int {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitAuth
	case http.StatusNotFound, http.StatusGone:
		return exitNotFound
	case http.StatusConflict, http.StatusPreconditionFailed, http.StatusPreconditionRequired:
		return exitConflict
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return exitUnavailable
	default:
		return exitFailed
	}
}
