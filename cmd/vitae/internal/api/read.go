package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"vitae/commands"
	"vitae/ledger"
)

// present is the request's profile with everything that was committed when the request
// came in, opened; an error when it is not there or was erased.
func (s *Server) present(ctx context.Context, x *exchange) (*ledger.Profile, error) {
	head, err := s.Core.Head(ctx)
	if err != nil {
		return nil, err
	}
	p, err := s.Core.Profile(ctx, x.profile, head)
	if err == nil && p.Erased {
		err = ledger.ErrErased
	}
	return p, err
}

// getProfile reads a profile with the collections of base.
func (s *Server) getProfile(w http.ResponseWriter, r *http.Request) error {
	p, err := s.state(w, r)
	if err != nil || fresh(w, r, etag(p.Seq)) {
		return err
	}
	b := append(make([]byte, 0, 4096), `{"data":`...)
	b = p.AppendDocument(b, ledger.Base)
	b = append(b, `,"id":"`...)
	b = append(b, p.ID.String()...)
	b = append(b, `","seq":`...)
	b = strconv.AppendUint(b, uint64(p.Seq), 10)
	s.raw(w, r, http.StatusOK, append(b, '}'))
	return nil
}

// getProfiles lists the profiles that exist.
func (s *Server) getProfiles(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r)
	if err != nil {
		return err
	}
	limit, err := number(q, "limit", 100, 1, 1000)
	if err != nil {
		return err
	}
	text, err := one(q, "after")
	if err != nil {
		return err
	}
	var after ledger.ProfileID
	if text != "" {
		if after, err = ledger.ParseProfileID(text); err != nil {
			return fail(http.StatusBadRequest, "invalid_query", "after must be a cursor from next.")
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	head, err := s.Core.Head(ctx)
	if err != nil {
		return err
	}
	if s.Profiles == nil {
		return ledger.ErrUnavailable
	}
	ids, err := s.Profiles(ctx, after, limit, head)
	if err != nil {
		return err
	}
	type named struct {
		ID ledger.ProfileID `json:"id"`
	}
	out := list{Data: []named{}}
	for _, id := range ids {
		out.Data = append(out.Data.([]named), named{id})
	}
	if len(ids) == limit {
		next := ids[limit-1].String()
		out.Next = &next
	}
	return s.send(w, r, http.StatusOK, out)
}

// resumeHead is what a list of resumes shows of each.
type resumeHead struct {
	ID        string       `json:"id"`
	Name      ledger.Value `json:"name"`
	IsDefault bool         `json:"isDefault"`
	CreatedAt time.Time    `json:"createdAt"`
	UpdatedAt time.Time    `json:"updatedAt"`
}

func headOfResume(p *ledger.Profile, id string) resumeHead {
	re := p.Resumes[id]
	h := resumeHead{ID: id, Name: re.Fields["name"].Value, IsDefault: id == ledger.Base, CreatedAt: re.CreatedAt.UTC(), UpdatedAt: re.UpdatedAt.UTC()}
	if h.Name == nil {
		h.Name = ledger.Value(`"` + commands.BaseName + `"`)
	}
	return h
}

func (s *Server) getResumes(w http.ResponseWriter, r *http.Request) error {
	out, err := bounds(r, 25)
	if err != nil {
		return err
	}
	p, err := s.state(w, r)
	if err != nil || fresh(w, r, etag(p.Seq)) {
		return err
	}
	ids := p.ResumeIDs()
	from, to := out.cut(len(ids))
	heads := []resumeHead{}
	for _, id := range ids[from:to] {
		heads = append(heads, headOfResume(p, id))
	}
	out.Data = heads
	return s.send(w, r, http.StatusOK, out)
}

func (s *Server) getResume(w http.ResponseWriter, r *http.Request) error {
	p, err := s.state(w, r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	if p.Resumes[id] == nil {
		return ledger.ErrNotFound
	}
	if fresh(w, r, etag(p.Seq)) {
		return nil
	}
	head, err := json.Marshal(headOfResume(p, id))
	if err != nil {
		return err
	}
	b := append(make([]byte, 0, 4096), `{"data":`...)
	b = append(b, head[:len(head)-1]...)
	b = append(b, ',')
	b = p.AppendMembers(b, id)
	s.raw(w, r, http.StatusOK, append(b, `}}`...))
	return nil
}

// getItems gives one page of a collection of base.
func (s *Server) getItems(field string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		out, err := bounds(r, maxPage)
		if err != nil {
			return err
		}
		p, err := s.state(w, r)
		if err != nil || fresh(w, r, etag(p.Seq)) {
			return err
		}
		items := p.Items(ledger.Base, field)
		from, to := out.cut(len(items))
		out.Data = json.RawMessage(ledger.AppendItems(nil, items[from:to]))
		return s.send(w, r, http.StatusOK, out)
	}
}

func (s *Server) getItem(field string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		p, err := s.state(w, r)
		if err != nil {
			return err
		}
		id := r.PathValue("id")
		for _, item := range p.Items(ledger.Base, field) {
			if item.ID != id {
				continue
			}
			if !fresh(w, r, etag(p.Seq)) {
				s.raw(w, r, http.StatusOK, append(ledger.AppendItem([]byte(`{"data":`), item), '}'))
			}
			return nil
		}
		return ledger.ErrNotFound
	}
}
