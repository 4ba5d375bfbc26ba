package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"vitae/ledger"
	"vitae/ledger/vault"
)

// idemOf reads the Idempotency-Key, plain or as a quoted string; nil when there is none.
// The key counts for the API key that brought it. Key and request are kept as keyed
// digests only.
func (s *Server) idemOf(r *http.Request, body []byte) (*ledger.Idem, error) {
	given := r.Header["Idempotency-Key"]
	if len(given) == 0 {
		return nil, nil
	}
	text := strings.TrimSpace(given[0])
	if n := len(text); n > 1 && text[0] == '"' && text[n-1] == '"' {
		text = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(text[1 : n-1])
	}
	if len(given) > 1 || text == "" || len(text) > 255 || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
		return nil, fail(http.StatusBadRequest, "idempotency_key_invalid", "Idempotency-Key must be 1 to 255 printable ASCII characters, once.")
	}
	x := exchangeOf(r)
	key := s.Vault.SystemDigest("idempotency-key", []byte(x.key.ID), []byte(text))
	what := s.Vault.SystemDigest("idempotency-body", []byte(r.Method), []byte(r.URL.Path), []byte(x.profile.String()), body)
	i := &ledger.Idem{}
	copy(i.Key[:], key[:])
	copy(i.Body[:], what[:])
	return i, nil
}

// kept is a reply that is kept for its idempotency key. It is sealed, under the key of the
// profile that the request is about if there is one: replies hold ids and, once, a new API
// key.
type kept struct {
	Body    [16]byte        `json:"b"`
	Running time.Time       `json:"r,omitzero"` // the request has begun, and not ended
	Status  int             `json:"s,omitempty"`
	ETag    string          `json:"e,omitempty"`
	Reply   json.RawMessage `json:"j,omitempty"`
}

func (k *kept) running() bool { return k.Status == 0 }

// abandoned is how long after its begin a request that did not end is taken for dead; no
// request takes as long.
const abandoned = 2 * time.Minute

const idemPurpose = "idempotency"

func (s *Server) sealKept(about ledger.ProfileID, key string, k kept) ([]byte, error) {
	b, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	if about.IsZero() {
		return s.Vault.SealSystem(idemPurpose, key, b)
	}
	return s.Vault.SealOwn(about, idemPurpose, key, b)
}

// openKept reads what sealKept made. What does not open is of a request about another
// profile.
func (s *Server) openKept(about ledger.ProfileID, key string, sealed []byte) (*kept, error) {
	var b []byte
	var err error
	if about.IsZero() {
		b, err = s.Vault.OpenSystem(idemPurpose, key, sealed)
	} else {
		b, err = s.Vault.OpenOwn(about, idemPurpose, key, sealed)
	}
	if errors.Is(err, vault.ErrCorrupt) {
		return nil, ledger.ErrIdemMismatch
	}
	if err != nil {
		return nil, err
	}
	k := &kept{}
	return k, json.Unmarshal(b, k)
}

// recall finds what was answered under an idempotency key; nil when nothing was. The
// error is ledger.ErrIdemMismatch when it was another request.
func (s *Server) recall(ctx context.Context, about ledger.ProfileID, i *ledger.Idem) (*kept, uint64, error) {
	key := hex.EncodeToString(i.Key[:])
	e, err := s.Idems.Get(ctx, key)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	k, err := s.openKept(about, key, e.Value)
	if err != nil {
		return nil, 0, err
	}
	if k.Body != i.Body {
		return nil, 0, ledger.ErrIdemMismatch
	}
	return k, e.Revision, nil
}

// replay answers from a kept reply.
func (s *Server) replay(w http.ResponseWriter, r *http.Request, k *kept) {
	w.Header().Set("Idempotency-Replayed", "true")
	if k.ETag != "" {
		w.Header()["Etag"] = []string{k.ETag}
	}
	s.raw(w, r, k.Status, k.Reply)
}

// once runs a request that makes no commit at most once under its idempotency key: the
// key is taken before, and the reply kept after. do gives the reply's status and body.
// With a *late error the reply is kept all the same: it is for who asks again.
func (s *Server) once(w http.ResponseWriter, r *http.Request, body []byte, do func() (int, any, error)) error {
	return s.onceAbout(w, r, exchangeOf(r).profile, body, do)
}

// onceAbout is once for a request that is about a profile which its route does not name.
func (s *Server) onceAbout(w http.ResponseWriter, r *http.Request, about ledger.ProfileID, body []byte, do func() (int, any, error)) error {
	i, err := s.idemOf(r, body)
	if err != nil {
		return err
	}
	if i == nil {
		status, reply, err := do()
		if err != nil {
			return err
		}
		return s.send(w, r, status, reply)
	}
	revision, before, err := s.claim(r.Context(), about, i)
	if err != nil {
		return err
	}
	if before != nil {
		s.replay(w, r, before)
		return nil
	}
	// From here on the key is taken: it must be given back, or get its reply.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), submitTimeout)
	defer cancel()
	key := hex.EncodeToString(i.Key[:])
	done := false
	defer func() {
		if done {
			return
		}
		if err := s.Idems.Delete(ctx, key); err != nil {
			s.Log.Warn("an idempotency key stays taken for a while", "request", exchangeOf(r).id, "error", err)
		}
	}()
	status, reply, err := do()
	var unfinished *late
	if err != nil && !errors.As(err, &unfinished) {
		return err
	}
	b, err := json.Marshal(reply)
	if err != nil {
		return err
	}
	done = true // it has happened: the key must not do it again
	sealed, err := s.sealKept(about, key, kept{Body: i.Body, Status: status, Reply: b})
	if err == nil {
		_, err = s.Idems.Update(ctx, key, sealed, revision)
	}
	if err != nil {
		s.Log.Error("a reply could not be kept for its idempotency key", "request", exchangeOf(r).id, "error", err)
	}
	if unfinished != nil {
		return unfinished
	}
	s.raw(w, r, status, b)
	return nil
}

// late says that a request has its effect, and that not all of it could be waited for.
type late struct {
	*problem
	err error
}

func (l *late) Error() string { return l.detail + " " + l.err.Error() }
func (l *late) Unwrap() error { return l.problem }

// claim takes an idempotency key for a request, or gives the reply that is kept for it.
// ledger.ErrIdemBusy while another request holds it.
func (s *Server) claim(ctx context.Context, about ledger.ProfileID, i *ledger.Idem) (revision uint64, before *kept, err error) {
	key := hex.EncodeToString(i.Key[:])
	running, err := s.sealKept(about, key, kept{Body: i.Body, Running: s.now()})
	if err != nil {
		return 0, nil, err
	}
	revision, err = s.Idems.Create(ctx, key, running)
	if !errors.Is(err, ledger.ErrExists) {
		return revision, nil, err
	}
	k, at, err := s.recall(ctx, about, i)
	switch {
	case err != nil:
		return 0, nil, err
	case k == nil: // given back just now
		return 0, nil, ledger.ErrIdemBusy
	case !k.running():
		return 0, k, nil
	case s.now().Sub(k.Running) < abandoned:
		return 0, nil, ledger.ErrIdemBusy
	}
	// Whoever took it is gone, and nobody knows what came of it.
	revision, err = s.Idems.Update(ctx, key, running, at)
	if errors.Is(err, ledger.ErrConflict) {
		err = ledger.ErrIdemBusy
	}
	return revision, nil, err
}

// remember keeps the reply of a command that changed nothing, and so left no commit to
// answer from.
func (s *Server) remember(ctx context.Context, about ledger.ProfileID, i *ledger.Idem, status int, tag string, reply []byte) error {
	key := hex.EncodeToString(i.Key[:])
	sealed, err := s.sealKept(about, key, kept{Body: i.Body, Status: status, ETag: tag, Reply: reply})
	if err != nil {
		return err
	}
	if _, err := s.Idems.Create(ctx, key, sealed); err != nil && !errors.Is(err, ledger.ErrExists) {
		return err
	}
	return nil
}
