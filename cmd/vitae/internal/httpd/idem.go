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
)

// idemOf reads the Idempotency-Key; nil when there is none. Key and body are kept as
// keyed digests only.
func (s *Server) idemOf(r *http.Request, body []byte) (*ledger.Idem, error) {
	text := r.Header.Get("Idempotency-Key")
	if text == "" {
		return nil, nil
	}
	if n := len(text); n > 1 && text[0] == '"' && text[n-1] == '"' {
		text = text[1 : n-1]
	}
	if text == "" || len(text) > 255 || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
		return nil, fail(http.StatusBadRequest, "idempotency_key_invalid", "Idempotency-Key must be 1 to 255 printable ASCII characters.")
	}
	x := exchangeOf(r)
	key := s.Vault.SystemDigest("idempotency-key", []byte(x.key.ID), []byte(text))
	what := s.Vault.SystemDigest("idempotency-body", []byte(r.Method), []byte(r.URL.Path), []byte(x.profile.String()), body)
	i := &ledger.Idem{}
	copy(i.Key[:], key[:])
	copy(i.Body[:], what[:])
	return i, nil
}

// kept is a reply that is kept for its idempotency key. It is sealed: replies hold ids
// and, once, a new API key.
type kept struct {
	Body    [16]byte        `json:"b"`
	Running time.Time       `json:"r,omitzero"` // the request has begun, and not ended
	Status  int             `json:"s,omitempty"`
	ETag    string          `json:"e,omitempty"`
	Reply   json.RawMessage `json:"j,omitempty"`
}

// abandoned is how long after its begin a request that did not end is taken for dead.
const abandoned = time.Minute

func (s *Server) sealKept(key string, k kept) ([]byte, error) {
	b, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	return s.Vault.SealSystem("idempotency", key, b)
}

// recall finds what was answered under an idempotency key.
func (s *Server) recall(ctx context.Context, i *ledger.Idem) (k kept, revision uint64, ok bool, err error) {
	key := hex.EncodeToString(i.Key[:])
	e, err := s.Idems.Get(ctx, key)
	if errors.Is(err, ledger.ErrNotFound) {
		return k, 0, false, nil
	}
	if err != nil {
		return k, 0, false, err
	}
	b, err := s.Vault.OpenSystem("idempotency", key, e.Value)
	if err == nil {
		err = json.Unmarshal(b, &k)
	}
	if err == nil && k.Body != i.Body {
		err = ledger.ErrIdemMismatch
	}
	return k, e.Revision, err == nil, err
}

// replayKept answers from a kept reply.
func (s *Server) replayKept(w http.ResponseWriter, r *http.Request, k kept) {
	w.Header().Set("Idempotency-Replayed", "true")
	if k.ETag != "" {
		w.Header().Set("ETag", k.ETag)
	}
	s.raw(w, r, k.Status, k.Reply)
}

// once runs a request that makes no commit at most once under its idempotency key: the
// key is taken before, and the reply kept after. do gives the reply's status and body.
func (s *Server) once(w http.ResponseWriter, r *http.Request, body []byte, do func() (int, any, error)) error {
	ctx := r.Context()
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
	key := hex.EncodeToString(i.Key[:])
	running, err := s.sealKept(key, kept{Body: i.Body, Running: s.now()})
	if err != nil {
		return err
	}
	revision, err := s.Idems.Create(ctx, key, running)
	if errors.Is(err, ledger.ErrExists) {
		k, at, ok, err := s.recall(ctx, i)
		switch {
		case err != nil:
			return err
		case !ok || !k.Running.IsZero() && s.now().Sub(k.Running) < abandoned:
			return ledger.ErrIdemBusy
		case k.Running.IsZero():
			s.replayKept(w, r, k)
			return nil
		}
		// Whoever began it is gone, and nobody knows what came of it.
		if revision, err = s.Idems.Update(ctx, key, running, at); errors.Is(err, ledger.ErrConflict) {
			return ledger.ErrIdemBusy
		} else if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	status, reply, err := do()
	if err != nil {
		return errors.Join(err, s.Idems.Delete(context.WithoutCancel(ctx), key))
	}
	b, err := json.Marshal(reply)
	if err != nil {
		return err
	}
	sealed, err := s.sealKept(key, kept{Body: i.Body, Status: status, Reply: b})
	if err != nil {
		return err
	}
	if _, err := s.Idems.Update(context.WithoutCancel(ctx), key, sealed, revision); err != nil {
		s.Log.Error("a reply could not be kept for its idempotency key", "request", exchangeOf(r).id, "error", err)
	}
	s.raw(w, r, status, b)
	return nil
}

// remember keeps the reply of a command that changed nothing, and so left no commit to
// answer from.
func (s *Server) remember(ctx context.Context, i *ledger.Idem, status int, tag string, reply []byte) error {
	key := hex.EncodeToString(i.Key[:])
	sealed, err := s.sealKept(key, kept{Body: i.Body, Status: status, ETag: tag, Reply: reply})
	if err != nil {
		return err
	}
	if _, err := s.Idems.Create(ctx, key, sealed); err != nil && !errors.Is(err, ledger.ErrExists) {
		return err
	}
	return nil
}
