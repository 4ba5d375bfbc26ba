package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"vitae/ledger"
)

// send writes a JSON reply.
func (s *Server) send(w http.ResponseWriter, r *http.Request, status int, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	s.raw(w, r, status, b)
	return nil
}

func (s *Server) raw(w http.ResponseWriter, r *http.Request, status int, b []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	s.write(w, r, b)
}

// etag is the version of a profile: its sequence.
func etag(seq ledger.Seq) string { return `"` + strconv.FormatUint(uint64(seq), 10) + `"` }

// ifMatch reads If-Match: nil when there is none, or "*". Several tags, a weak one or one
// that is none of ours match nothing.
func ifMatch(r *http.Request) *ledger.Seq {
	tag := strings.TrimSpace(r.Header.Get("If-Match"))
	if tag == "" || tag == "*" {
		return nil
	}
	never := ^ledger.Seq(0)
	if len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		return &never
	}
	n, err := strconv.ParseUint(tag[1:len(tag)-1], 10, 64)
	if err != nil {
		return &never
	}
	seq := ledger.Seq(n)
	return &seq
}

// fresh answers 304 to who has this version already.
func fresh(w http.ResponseWriter, r *http.Request, tag string) bool {
	w.Header().Set("ETag", tag)
	for have := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if have = strings.TrimSpace(have); have == tag || have == "*" || have == "W/"+tag {
			w.WriteHeader(http.StatusNotModified)
			return true
		}
	}
	return false
}
