package console

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"vitae/ledger"
)

// connection is a connection as the API shows it, as far as the console shows it too.
type connection struct {
	Provider        string `json:"provider"`
	Account         string `json:"account"`
	State           string `json:"state"`
	Reason          string `json:"reason"`
	AcknowledgedSeq uint64 `json:"acknowledgedSeq"`
	HeadSeq         uint64 `json:"headSeq"`
	Lanes           []struct {
		LastError *fault     `json:"lastError"`
		NextAt    *time.Time `json:"nextAt"`
	} `json:"lanes"`
}

// fault is what went wrong with a call, in our own words.
type fault struct {
	HTTP    int    `json:"http"`
	Type    string `json:"type"`
	Message string `json:"message"`
}

func (f *fault) String() string {
	switch {
	case f == nil:
		return ""
	case f.Message != "":
		return f.Message
	}
	return f.Type
}

// NextAt is when the first of the waiting lanes goes on; zero when none waits.
func (c connection) NextAt() time.Time {
	var first time.Time
	for _, l := range c.Lanes {
		if l.NextAt != nil && (first.IsZero() || l.NextAt.Before(first)) {
			first = *l.NextAt
		}
	}
	return first
}

// Trouble is the last error of a connection that is not up to date.
func (c connection) Trouble() string {
	if c.State == "in_sync" {
		return ""
	}
	for _, l := range c.Lanes {
		if l.LastError != nil {
			return l.LastError.String()
		}
	}
	return ""
}

type overviewBody struct {
	Name, Headline string
	NoProfile      string // why the profile is not shown
	Connections    []connection
	NoConnections  string
	Seq            uint64
}

func (v *visit) overview() error {
	var b overviewBody
	d, err := v.document("")
	if errors.Is(err, errNoProfile) {
		v.goTo("/console/choose", "")
		return nil
	}
	if err != nil {
		if b.NoProfile, err = missing(err); err != nil {
			return err
		}
	} else {
		b.Name = d.text("displayName")
		if b.Name == "" {
			b.Name = strings.TrimSpace(d.text("firstName") + " " + d.text("lastName"))
		}
		b.Headline, b.Seq = d.text("headline"), d.seq
	}
	var list struct{ Data []connection }
	if err := v.get("/v1/profiles/"+url.PathEscape(v.session.profile)+"/connections", &list); err != nil {
		if b.NoConnections, err = missing(err); err != nil {
			return err
		}
	}
	b.Connections = list.Data
	v.show(http.StatusOK, "overview", &view{Title: "Overview", Page: "overview", Body: b})
	return nil
}

// resume is one row of the list.
type resume struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	IsDefault bool      `json:"isDefault"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

type resumesBody struct {
	Resumes []resume
	None    string // why there is no list
	Name    string // as typed
	Error   string
	Once    string // makes a form that is sent twice have one effect
}

// allResumes reads every page of the list.
func (v *visit) allResumes() ([]resume, error) {
	if v.session.profile == "" {
		return nil, errNoProfile
	}
	var all []resume
	for after := "0"; after != ""; {
		var list struct {
			Data []resume
			Next *string
		}
		if err := v.get("/v1/resume?limit=100&after="+url.QueryEscape(after), &list); err != nil {
			return nil, err
		}
		all = append(all, list.Data...)
		if after = ""; list.Next != nil && len(list.Data) > 0 {
			after = *list.Next
		}
	}
	return all, nil
}

func (v *visit) resumes() error { return v.resumesPage(http.StatusOK, "", "") }

func (v *visit) resumesPage(status int, name, wrong string) error {
	b := resumesBody{Name: name, Error: wrong, Once: rand.Text()}
	var err error
	if b.Resumes, err = v.allResumes(); err != nil {
		if b.None, err = missing(err); err != nil {
			return err
		}
	}
	v.show(status, "resumes", &view{Title: "Resumes", Page: "resumes", Body: b})
	return nil
}

func (v *visit) createResume() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	name := form.Get("name")
	_, err = v.ask(call{method: http.MethodPost, path: "/v1/resume", body: map[string]string{"name": name}, once: form.Get("once")})
	var told *apiError
	switch {
	case err == nil:
		v.goTo("/console/resumes", "The resume was created as a copy of base.")
		return nil
	case !errors.As(err, &told):
		return err
	case told.status == http.StatusForbidden:
		return v.resumesPage(told.status, name, "Your key may not create resumes.")
	case len(told.fields) > 0:
		return v.resumesPage(told.status, name, told.fields[0].Message)
	}
	return v.resumesPage(told.status, name, told.Words())
}

// confirmDelete asks before a resume is deleted.
func (v *visit) confirmDelete() error {
	all, err := v.allResumes()
	if err != nil {
		return err
	}
	for _, one := range all {
		if one.ID == v.r.PathValue("id") && !one.IsDefault {
			v.show(http.StatusOK, "delete", &view{Title: "Delete a resume", Page: "resumes", Body: one})
			return nil
		}
	}
	return &apiError{status: http.StatusNotFound, detail: "There is no such resume that could be deleted."}
}

func (v *visit) deleteResume() error {
	_, err := v.ask(call{method: http.MethodDelete, path: "/v1/resume/" + url.PathEscape(v.r.PathValue("id"))})
	if err != nil {
		return refusedWrite(err)
	}
	v.goTo("/console/resumes", "The resume was deleted. Its past stays in the history.")
	return nil
}

// refusedWrite says "do" where an error would say "see".
func refusedWrite(err error) error {
	var told *apiError
	if errors.As(err, &told) && told.status == http.StatusForbidden {
		return &apiError{status: told.status, code: codeWrite, detail: "Your key may not do this. Nothing was changed."}
	}
	return err
}

type chooseBody struct {
	ID    string
	Error string
	IDs   []string // some that exist
}

// choose lets a person with a key of all profiles say which one to look at.
func (v *visit) choose() error { return v.choosePage(http.StatusOK, v.session.profile, "") }

func (v *visit) choosePage(status int, id, wrong string) error {
	if v.session.own {
		return &apiError{status: http.StatusNotFound, detail: "Your key is for one profile."}
	}
	b := chooseBody{ID: id, Error: wrong}
	var list struct {
		Data []struct{ ID string }
	}
	if err := v.get("/v1/profiles?limit=20", &list); err != nil {
		if _, err = missing(err); err != nil {
			return err
		}
	}
	for _, one := range list.Data {
		b.IDs = append(b.IDs, one.ID)
	}
	v.show(status, "choose", &view{Title: "Choose a profile", Page: "choose", Body: b})
	return nil
}

func (v *visit) chosen() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	typed := strings.TrimSpace(form.Get("profile"))
	id, err := ledger.ParseProfileID(typed)
	if err != nil || v.session.own {
		return v.choosePage(http.StatusBadRequest, typed, "A profile's id has 26 letters and digits.")
	}
	v.c.sessions.change(v.id, func(s *session) { s.profile = id.String() })
	v.goTo("/console/", "")
	return nil
}
