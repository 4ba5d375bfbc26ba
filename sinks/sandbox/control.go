package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"
)

// control serves everything under /_sandbox/.
func (s *Server) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_sandbox/accounts", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.list())
	})
	mux.HandleFunc("GET /_sandbox/requests", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.logged())
	})
	of := func(pattern string, serve func(p *provider, w http.ResponseWriter, r *http.Request)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			p := s.providers[r.PathValue("provider")]
			if p == nil {
				writeError(w, http.StatusNotFound, "not found")
				return
			}
			serve(p, w, r)
		})
	}
	of("GET /_sandbox/{provider}/accounts/{account}", func(p *provider, w http.ResponseWriter, r *http.Request) {
		s.showNamed(w, accountName{p.name, r.PathValue("account")})
	})
	of("GET /_sandbox/{provider}/account", func(p *provider, w http.ResponseWriter, r *http.Request) {
		digest, ok := p.identify(r.Header)
		if !ok {
			writeError(w, http.StatusUnauthorized, "the request needs the headers of a call to the provider, with its key")
			return
		}
		writeJSON(w, http.StatusOK, s.show(accountID{p.name, digest}))
	})
	mux.HandleFunc("POST /_sandbox/faults", func(w http.ResponseWriter, r *http.Request) {
		var f Fault
		err := readJSON(w, r, &f)
		if err == nil {
			err = s.queue(f)
		}
		done(w, http.StatusBadRequest, err)
	})
	mux.HandleFunc("DELETE /_sandbox/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.withdraw()
		done(w, 0, nil)
	})
	of("POST /_sandbox/{provider}/revoke", func(p *provider, w http.ResponseWriter, r *http.Request) {
		var body struct {
			Account string `json:"account"`
		}
		err := readJSON(w, r, &body)
		if err == nil && !named.MatchString(body.Account) {
			err = errors.New("account must be a name of eight hex digits")
		}
		if err != nil {
			done(w, http.StatusBadRequest, err)
			return
		}
		done(w, http.StatusInternalServerError, s.revoke(accountName{p.name, body.Account}))
	})
	of("POST /_sandbox/{provider}/lag", func(p *provider, w http.ResponseWriter, r *http.Request) {
		var body struct {
			Delay string `json:"delay"`
		}
		err := readJSON(w, r, &body)
		delay := time.Duration(0)
		if err == nil {
			delay, err = time.ParseDuration(body.Delay)
		}
		if err == nil && (delay < 0 || delay > maxLag) {
			err = errors.New("too long, or less than nothing")
		}
		if err != nil {
			writeError(w, http.StatusBadRequest, `delay must be like "2s", at most ten minutes; "0s" ends the lag`)
			return
		}
		s.lag(p, delay)
		done(w, 0, nil)
	})
	of("POST /_sandbox/{provider}/{switch}", func(p *provider, w http.ResponseWriter, r *http.Request) {
		turn := p.switches[r.PathValue("switch")]
		if turn == nil {
			writeError(w, http.StatusNotFound, "not found")
			return
		}
		turn(s, w, r)
	})
	mux.HandleFunc("POST /_sandbox/reset", func(w http.ResponseWriter, _ *http.Request) {
		done(w, http.StatusInternalServerError, s.reset())
	})
	mux.HandleFunc("/_sandbox/", func(w http.ResponseWriter, _ *http.Request) { writeError(w, http.StatusNotFound, "not found") })

	sameOrigin := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !client.Addr().Unmap().IsLoopback() {
			writeError(w, http.StatusForbidden, "only for clients on this machine")
			return
		}
		sameOrigin.ServeHTTP(w, r)
	})
}

// show describes the account of a key, whether or not it was ever called.
func (s *Server) show(id accountID) Account {
	s.world.RLock()
	defer s.world.RUnlock()
	if a := s.accounts[id]; a != nil {
		return s.describe(a, true)
	}
	n := id.name()
	d := Account{Provider: n.provider, Account: n.name, State: "unopened", Profile: map[string]any{}}
	if s.revoked[n] {
		d.State = "revoked"
	}
	return d
}

func (s *Server) showNamed(w http.ResponseWriter, n accountName) {
	s.world.RLock()
	var found []Account
	for id, a := range s.accounts {
		if id.name() == n {
			found = append(found, s.describe(a, true))
		}
	}
	s.world.RUnlock()
	switch len(found) {
	case 0:
		writeError(w, http.StatusNotFound, "no account of this name was called")
	case 1:
		writeJSON(w, http.StatusOK, found[0])
	default:
		writeError(w, http.StatusConflict, "the keys of several accounts have this name; find them by the headers of their calls")
	}
}

// readJSON reads a body of the control surface, of at most 64 KiB.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("the body is not as it should be: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("the body must be one JSON object")
	}
	return nil
}

// done answers {} or, with the status, the error.
func done(w http.ResponseWriter, status int, err error) {
	if err != nil {
		writeError(w, status, err.Error())
		return
	}
	writeJSON(w, http.StatusOK, struct{}{})
}
