package console

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// sink is a sink as the API shows it, with its parked edits.
type sink struct {
	Name             string  `json:"name"`
	State            string  `json:"state"`
	Health           string  `json:"health"`
	LagEvents        uint64  `json:"lagEvents"`
	FreshnessSeconds float64 `json:"freshnessSeconds"`
	Accounts         int     `json:"accounts"`
	PausedAccounts   int     `json:"pausedAccounts"`
	Parked           int     `json:"parked"`
	Uncertain        int     `json:"uncertain"`
	LastError        *fault  `json:"lastError"`

	Edits   []parked `json:"-"`
	NoEdits string   `json:"-"` // why they are not shown
}

// Oldest is the age of the oldest edit that waits.
func (s sink) Oldest() string {
	if s.FreshnessSeconds < 1 {
		return "—"
	}
	return (time.Duration(s.FreshnessSeconds) * time.Second).String()
}

// Doing says in words how the sink is.
func (s sink) Doing() string {
	words := map[string]string{"idle": "nothing is to be sent", "active": "it delivers", "failing": "its calls fail", "stalled": "it stands still: edits wait for long, and no call succeeds",
		"paused": "it is paused"}[s.Health]
	if words == "" {
		return "—"
	}
	return words
}

// parked is an edit that waits for a person; without an id it is one in doubt, which moves
// by itself at NextAt.
type parked struct {
	ID       string    `json:"id"`
	NextAt   time.Time `json:"nextAt"`
	Profile  string    `json:"profile"`
	Entity   string    `json:"entity"`
	Code     string    `json:"code"`
	Reason   string    `json:"reason"`
	Since    time.Time `json:"since"`
	Seq      uint64    `json:"seq"`
	Attempts int       `json:"attempts"`
	Evidence *fault    `json:"evidence"`
	Choices  []string  `json:"choices"`
}

// projection is a projection as the API shows it.
type projection struct {
	Name     string `json:"name"`
	State    string `json:"state"`
	Position uint64 `json:"position"`
	Head     uint64 `json:"head"`
	Lag      uint64 `json:"lag"`
	Rows     int64  `json:"rows"`
	Error    string `json:"error"`
}

type operateBody struct {
	Sinks   []sink
	NoSinks string
	Views   []projection
	NoViews string
}

// operate shows the sinks with what is parked or in doubt at them, and the projections.
func (v *visit) operate() error {
	var b operateBody
	var sinks struct{ Data []sink }
	if err := v.get("/v1/sinks", &sinks); err != nil {
		if b.NoSinks, err = missing(err); err != nil {
			return err
		}
	}
	b.Sinks = sinks.Data
	for i := range b.Sinks {
		s := &b.Sinks[i]
		if s.Parked+s.Uncertain == 0 {
			continue
		}
		var edits struct{ Data []parked }
		if err := v.get("/v1/sinks/"+url.PathEscape(s.Name)+"/parked", &edits); err != nil {
			if s.NoEdits, err = missing(err); err != nil {
				return err
			}
		}
		s.Edits = edits.Data
	}
	var views struct{ Data []projection }
	if err := v.get("/v1/views", &views); err != nil {
		if b.NoViews, err = missing(err); err != nil {
			return err
		}
	}
	b.Views = views.Data
	v.show(http.StatusOK, "operate", &view{Title: "Operation", Page: "operate", Body: b})
	return nil
}

// switchSink pauses a sink, or lets it go on.
func (v *visit) switchSink() error {
	name, to := v.r.PathValue("name"), v.r.PathValue("switch")
	notice := map[string]string{"pause": "Paused: " + name, "resume": "Goes on: " + name}[to]
	if notice == "" {
		return v.nothing()
	}
	if _, err := v.ask(call{method: http.MethodPost, path: "/v1/sinks/" + url.PathEscape(name) + "/" + to}); err != nil {
		return refusedWrite(err)
	}
	v.goTo("/console/operate", notice+".")
	return nil
}

// decide tells the API what is to become of a parked edit.
func (v *visit) decide() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	path := "/v1/sinks/" + url.PathEscape(v.r.PathValue("name")) + "/parked/" + url.PathEscape(v.r.PathValue("edit"))
	body := map[string]string{"action": form.Get("action"), "reason": strings.TrimSpace(form.Get("reason"))}
	if body["action"] == "" {
		return &apiError{status: http.StatusBadRequest, detail: "Choose what is to become of the edit. Nothing was changed."}
	}
	if _, err := v.ask(call{method: http.MethodPost, path: path, body: body}); err != nil {
		return refusedWrite(err)
	}
	v.goTo("/console/operate", "Decided: "+actionWords(body["action"])+".")
	return nil
}
