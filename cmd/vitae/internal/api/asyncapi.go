package api

import (
	_ "embed"
	"net/http"
)

// asyncAPI says what is published, for subscribers of every kind. A test makes it from the
// types of package ledger.
//
//go:embed asyncapi.json
var asyncAPI []byte

func (s *Server) getAsyncAPI(w http.ResponseWriter, r *http.Request) error {
	s.raw(w, r, http.StatusOK, asyncAPI)
	return nil
}
