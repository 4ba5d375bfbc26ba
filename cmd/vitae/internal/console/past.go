package console

import (
	"net/http"
	"net/url"
	"time"

	"vitae/ledger"
)

// blamed is a value with the event that put it there, as the API shows it.
type blamed struct {
	View        string       `json:"view"`
	Field       string       `json:"field"`
	Item        string       `json:"item"`
	Value       ledger.Value `json:"value"`
	Seq         uint64       `json:"seq"`
	PreviousSeq uint64       `json:"previousSeq"` // 0 for none
	Actor       string       `json:"actor"`
	Via         string       `json:"via"`
	Reason      string       `json:"reason"`
	Time        time.Time    `json:"time"`
}

// Now is the value for people.
func (b blamed) Now() string { return words(b.Value) }

type blameBody struct {
	Rows []blamed
	None string // why there are none to see
	At   string // as of then; "" is now
}

// blame shows who set what, now or as of ?at=SEQ.
func (v *visit) blame() error {
	if v.session.profile == "" {
		return errNoProfile
	}
	b := blameBody{At: v.r.URL.Query().Get("at")}
	q := url.Values{}
	for _, name := range []string{"at", "field", "item"} {
		if text := v.r.URL.Query().Get(name); text != "" {
			q.Set(name, text)
		}
	}
	var page struct{ Data []blamed }
	if err := v.get("/v1/profiles/"+url.PathEscape(v.session.profile)+"/blame?"+q.Encode(), &page); err != nil {
		if b.None, err = missing(err); err != nil {
			return err
		}
	}
	b.Rows = page.Data
	v.show(http.StatusOK, "blame", &view{Title: "Who set what", Page: "history", Body: b})
	return nil
}

// changed is a difference between two states, as the API shows it.
type changed struct {
	View  string       `json:"view"`
	Field string       `json:"field"`
	Item  string       `json:"item"`
	Op    string       `json:"op"`
	From  ledger.Value `json:"from"`
	To    ledger.Value `json:"to"`
}

// Was and Now are the values for people.
func (c changed) Was() string { return words(c.From) }

// Now is the value in the newer state.
func (c changed) Now() string { return words(c.To) }

type diffBody struct {
	Rows     []changed
	None     string
	From, To string
	Asked    bool
}

// diff shows what changed from ?from=SEQ to ?to=SEQ, or to now.
func (v *visit) diff() error {
	if v.session.profile == "" {
		return errNoProfile
	}
	asked := v.r.URL.Query()
	b := diffBody{From: asked.Get("from"), To: asked.Get("to")}
	if b.Asked = b.From != ""; b.Asked {
		q := url.Values{"from": {b.From}}
		if b.To != "" {
			q.Set("to", b.To)
		}
		var page struct{ Data []changed }
		if err := v.get("/v1/profiles/"+url.PathEscape(v.session.profile)+"/diff?"+q.Encode(), &page); err != nil {
			if b.None, err = missing(err); err != nil {
				return err
			}
		}
		b.Rows = page.Data
	}
	v.show(http.StatusOK, "diff", &view{Title: "What changed", Page: "history", Body: b})
	return nil
}
