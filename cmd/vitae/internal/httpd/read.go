package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"vitae/ledger"
)

// state is the profile that a read is about, as it is now or as ?at= asks, opened.
func (s *Server) state(r *http.Request) (p *ledger.Profile, past bool, err error) {
	x := exchangeOf(r)
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	head, err := s.Core.Head(ctx)
	if err != nil {
		return nil, false, err
	}
	now, err := s.Core.Profile(ctx, x.profile, head)
	if err != nil {
		return nil, false, err
	}
	if now.Erased {
		return nil, false, ledger.ErrErased
	}
	text := r.URL.Query().Get("at")
	if text == "" {
		return now, false, nil
	}
	at, err := s.seqAt(ctx, text, head)
	if err != nil {
		return nil, false, err
	}
	if p, err = s.History.StateAt(ctx, x.profile, at); err != nil {
		return nil, false, err
	}
	return p, true, p.OpenAll(s.Vault)
}

// seqAt reads a sequence or a time; it is answered once the history has everything up to
// head.
func (s *Server) seqAt(ctx context.Context, text string, head ledger.Seq) (ledger.Seq, error) {
	if err := s.History.Wait(ctx, head); err != nil {
		return 0, err
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		if ledger.Seq(n) > head {
			return 0, fail(http.StatusBadRequest, "beyond_head", "The ledger ends at sequence "+strconv.FormatUint(uint64(head), 10)+".")
		}
		return ledger.Seq(n), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		return 0, fail(http.StatusBadRequest, "invalid_at", "at must be a sequence or a time such as 2026-01-31T12:00:00Z.")
	case t.After(s.now()):
		return 0, fail(http.StatusBadRequest, "beyond_head", "The time lies in the future.")
	}
	seq, err := s.History.SeqAt(ctx, t)
	if errors.Is(err, ledger.ErrNotFound) {
		return 0, nil // before the first commit
	}
	return seq, err
}

// version sets ETag and caching of a read and says whether the caller has it already.
func version(w http.ResponseWriter, r *http.Request, p *ledger.Profile, past bool) (same bool) {
	if past {
		w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	return fresh(w, r, etag(p.Seq))
}

// getProfile: GET /v1/profile and /v1/profiles/{profile}.
func (s *Server) getProfile(w http.ResponseWriter, r *http.Request) error {
	p, past, err := s.state(r)
	if err != nil || version(w, r, p, past) {
		return err
	}
	b := make([]byte, 0, 4096)
	b = append(b, `{"data":`...)
	b = p.AppendDocument(b, ledger.Base)
	b = append(b, `,"id":"`...)
	b = append(b, p.ID.String()...)
	b = append(b, `","seq":`...)
	b = strconv.AppendUint(b, uint64(p.Seq), 10)
	s.raw(w, r, http.StatusOK, append(b, '}'))
	return nil
}

// baseName is the name of the default resume until it is given one.
const baseName = "Base"

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
	h := resumeHead{ID: id, Name: re.Fields["name"].Value, IsDefault: id == ledger.Base, CreatedAt: re.CreatedAt, UpdatedAt: p.UpdatedAt}
	if h.Name == nil {
		h.Name = ledger.Value(`"` + baseName + `"`)
	}
	return h
}

// list is a page of anything.
type list struct {
	Data any     `json:"data"`
	Next *string `json:"next"`
}

func (s *Server) getResumes(w http.ResponseWriter, r *http.Request) error {
	p, past, err := s.state(r)
	if err != nil || version(w, r, p, past) {
		return err
	}
	heads := []resumeHead{}
	for _, id := range p.ResumeIDs() {
		heads = append(heads, headOfResume(p, id))
	}
	return s.send(w, r, http.StatusOK, list{Data: heads})
}

func (s *Server) getResume(w http.ResponseWriter, r *http.Request) error {
	p, past, err := s.state(r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	if p.Resumes[id] == nil {
		return ledger.ErrNotFound
	}
	if version(w, r, p, past) {
		return nil
	}
	h := headOfResume(p, id)
	b := make([]byte, 0, 4096)
	b = append(b, `{"data":{"id":"`...)
	b = append(b, id...)
	b = append(b, `","name":`...)
	b = append(b, h.Name...)
	b = append(b, `,"isDefault":`...)
	b = strconv.AppendBool(b, h.IsDefault)
	b = append(b, `,"createdAt":"`...)
	b = h.CreatedAt.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","updatedAt":"`...)
	b = h.UpdatedAt.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `",`...)
	b = p.AppendMembers(b, id)
	s.raw(w, r, http.StatusOK, append(b, `}}`...))
	return nil
}

// itemRoutes leads Mokaru's item routes to the collections of base.
var itemRoutes = map[string]string{"experiences": "workExperiences", "education": "educations", "skills": "skills"}

// getItems: one page of a collection, as Mokaru pages: limit and offset.
func (s *Server) getItems(field string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		limit, err := intQuery(r, "limit", 100, 1, 100)
		if err != nil {
			return err
		}
		offset, err := intQuery(r, "offset", 0, 0, 1<<30)
		if err != nil {
			return err
		}
		p, past, err := s.state(r)
		if err != nil || version(w, r, p, past) {
			return err
		}
		items := p.Items(ledger.Base, field)
		from := min(offset, len(items))
		to := min(from+limit, len(items))
		b := []byte(`{"data":`)
		b = ledger.AppendItems(b, items[from:to])
		b = append(b, `,"next":null,"total":`...)
		b = strconv.AppendInt(b, int64(len(items)), 10)
		b = append(b, `,"hasMore":`...)
		b = strconv.AppendBool(b, to < len(items))
		b = append(b, `,"limit":`...)
		b = strconv.AppendInt(b, int64(limit), 10)
		b = append(b, `,"offset":`...)
		b = strconv.AppendInt(b, int64(offset), 10)
		s.raw(w, r, http.StatusOK, append(b, '}'))
		return nil
	}
}

func (s *Server) getItem(field string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		p, past, err := s.state(r)
		if err != nil {
			return err
		}
		for _, item := range p.Items(ledger.Base, field) {
			if item.ID != r.PathValue("id") {
				continue
			}
			if version(w, r, p, past) {
				return nil
			}
			s.raw(w, r, http.StatusOK, append(ledger.AppendItem([]byte(`{"data":`), item), '}'))
			return nil
		}
		return ledger.ErrNotFound
	}
}

// intQuery reads a whole number in bounds.
func intQuery(r *http.Request, name string, otherwise, least, most int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fail(http.StatusBadRequest, "invalid_query", name+" must be a whole number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most)+".")
	}
	return n, nil
}
