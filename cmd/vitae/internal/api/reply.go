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
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(len(b))}
	w.WriteHeader(status)
	s.write(w, r, b)
}

// etag is the version of a profile: its sequence.
func etag(seq ledger.Seq) string { return `"` + strconv.FormatUint(uint64(seq), 10) + `"` }

// fresh sets the entity tag, and answers 304 to who has this version already.
func fresh(w http.ResponseWriter, r *http.Request, tag string) bool {
	w.Header()["Etag"] = []string{tag}
	for _, v := range r.Header["If-None-Match"] {
		for have := range strings.SplitSeq(v, ",") {
			have = strings.TrimPrefix(strings.TrimSpace(have), "W/")
			if have == tag || have == "*" {
				w.WriteHeader(http.StatusNotModified)
				return true
			}
		}
	}
	return false
}

// list is a page of anything.
type list struct {
	Data any     `json:"data"`
	Next *string `json:"next"`
}

// page is a list as Mokaru pages: by limit and offset. Next is the offset of the next
// page, as a cursor.
type page struct {
	Data    any     `json:"data"`
	Next    *string `json:"next"`
	Total   int     `json:"total"`
	HasMore bool    `json:"hasMore"`
	Limit   int     `json:"limit"`
	Offset  int     `json:"offset"`
}

// bounds reads limit and offset (or after, the cursor) of a list of total things: those
// from first up to last are on the page.
func bounds(r *http.Request, otherwise int) (p page, err error) {
	q, err := query(r)
	if err != nil {
		return p, err
	}
	if p.Limit, err = number(q, "limit", otherwise, 1, maxPage); err != nil {
		return p, err
	}
	after, err := number(q, "after", 0, 0, 1<<30)
	if err != nil {
		return p, err
	}
	p.Offset, err = number(q, "offset", after, 0, 1<<30)
	return p, err
}

// maxPage is the largest limit of a list that is paged by offset.
const maxPage = 100

// cut says which of total things are on the page.
func (p *page) cut(total int) (from, to int) {
	from = min(p.Offset, total)
	to = min(from+p.Limit, total)
	p.Total, p.HasMore = total, to < total
	if p.HasMore {
		next := strconv.Itoa(to)
		p.Next = &next
	}
	return from, to
}
