package server

import (
	"net"
	"net/http"
	"sync"
)

// silent are the connections that have not sent a request yet, such as browsers open in
// advance. A shutdown would wait seconds for each of them.
type silent struct {
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// track is an http.Server's ConnState hook.
func (s *silent) track(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(s.conns, c)
	case s.closed:
		hangUp(c)
	default:
		if s.conns == nil {
			s.conns = map[net.Conn]struct{}{}
		}
		s.conns[c] = struct{}{}
	}
}

// close ends all of them, and those that still come.
func (s *silent) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.conns {
		hangUp(c)
	}
}

// hangUp closes a connection that nothing was said on; how that goes changes nothing.
func hangUp(c net.Conn) { _ = c.Close() }
