package exactlyonce

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// title is a provider's name on the page.
var title = map[string]string{"mokaru": "Mokaru", "linkedin": "LinkedIn", "postpress": "PostPress", "nexudus": "Nexudus", "jarvi": "Jarvi"}

// providers are all of them.
var providers = []string{"mokaru", "linkedin", "postpress", "nexudus", "jarvi"}

// moreOps are the edits of the providers whose ways are their own.
func moreOps() []op {
	return []op{
		{provider: "postpress", name: "set the profile", class: "A", lane: "profile", steps: 1, items: 1, unread: true,
			edit: func(c *cell) { c.patch(map[string]any{"headline": "after " + c.name, "summary": "after"}) }},
		{provider: "postpress", name: "add an experience", class: "C", lane: "experience/", steps: 1, creates: true, nameless: true, item: true, items: 1,
			edit: func(c *cell) { c.must(http.StatusCreated, http.MethodPost, "/v1/experiences", position("made")) }},
		{provider: "postpress", name: "edit an experience", class: "C", lane: "experience/", steps: 1, item: true, items: 2,
			edit: func(c *cell) {
				c.must(http.StatusOK, http.MethodPatch, "/v1/experiences/"+c.itemID(0), map[string]any{"description": "after"})
			}},
		{provider: "postpress", name: "upload a picture", class: "E", lane: "picture", steps: 1, items: 1, unread: true,
			edit: func(c *cell) { c.patch(map[string]any{"picture": c.upload()}) }},
		{provider: "nexudus", name: "set the profile", class: "A", lane: "profile", steps: 1,
			edit: func(c *cell) { c.patch(map[string]any{"jobTitle": "after " + c.name, "summary": "after"}) }},
		{provider: "jarvi", name: "upsert the profile", class: "B", lane: "profile", steps: 1,
			edit: func(c *cell) { c.patch(map[string]any{"headline": "after " + c.name}) }},
		{provider: "jarvi", name: "add a history entry", class: "D", lane: "history/", steps: 1, unread: true,
			edit: func(c *cell) { c.note("noted") }},
	}
}

// once says that the edit adds something that is never made twice, and that nothing shows: a doubt is a person's.
func (o *op) once() bool { return o.class == "D" }

// unmet says that a fate finds no request: what was claimed when the server died is in doubt, and is not sent.
func (o *op) unmet(r row) bool {
	return o.once() && slices.Contains([]string{"after-intent", "before-call"}, r.name)
}

// doubts says that an edit of such a class is left to a person: it was claimed, and nobody knows the answer.
func (o *op) doubts(r row, f fate) bool {
	return o.once() && (f.doubtful() || o.unmet(r) || r.name == "after-reply")
}

// note adds a line to the history of the profile's person.
func (c *cell) note(subject string) {
	c.t.Helper()
	c.admin.Must(http.StatusCreated, http.MethodPost, notesPath, map[string]any{"externalId": c.account(), "historyEntrySubject": subject})
	c.notes = append(c.notes, subject)
}

const notesPath = "/v1/public-api/rest/v2/profiles"

// account is the name of the cell's account at its provider.
func (c *cell) account() string { return "P-" + c.credential[len(c.credential)-16:] }

// missing are the notes that the provider has not, and doubled says whether it has one more than once.
func missing(notes []string, holds []any) (out []string, doubled bool) {
	for _, subject := range notes {
		n := 0
		for _, one := range holds {
			if one == subject {
				n++
			}
		}
		if n == 0 {
			out = append(out, subject)
		}
		doubled = doubled || n > 1
	}
	return out, doubled || len(holds) > len(notes)-len(out)
}

// holdsMore is holds for the providers of moreOps.
func (c *cell) holdsMore(p map[string]any) map[string]any {
	out := map[string]any{}
	switch c.op.provider {
	case "postpress":
		of, _ := p["account:"+c.account()].(map[string]any)
		keep(out, "headline", of["headline"])
		keep(out, "summary", of["summary"])
		for _, one := range asList(of["experience"]) {
			out["positions"] = append(asAny(out["positions"]), positionOf(one["role"], one["company"], one["description"]))
		}
		sortPositions(out)
		picture, _ := of["picture"].(map[string]any)
		keep(out, "picture", picture["sha256"])
	case "nexudus":
		of, _ := p["first"].(map[string]any)
		for _, name := range []string{"FullName", "Position", "ProfileSummary"} {
			keep(out, name, of[name])
		}
	case "jarvi":
		for _, of := range p {
			one, _ := of.(map[string]any)
			out["profiles"] = append(asAny(out["profiles"]), one["externalId"])
			for _, name := range []string{"firstName", "lastName", "headline", "currentPosition"} {
				keep(out, name, one[name])
			}
		}
	}
	return out
}

// history is the lines that Jarvi has of the person.
func (c *cell) history() (out []any) {
	c.t.Helper()
	for _, of := range c.state() {
		one, _ := of.(map[string]any)
		for _, line := range asList(one["history"]) {
			out = append(out, line["historyEntrySubject"])
		}
	}
	return out
}

// wantsMore is wants for the providers of moreOps. What cannot be cleared there is not looked at when it is not set.
func (c *cell) wantsMore(doc, holds map[string]any) map[string]any {
	out := map[string]any{}
	switch c.op.provider {
	case "postpress":
		for _, name := range []string{"headline", "summary"} {
			keep(out, name, doc[name])
		}
		for _, one := range asList(doc["workExperiences"]) {
			out["positions"] = append(asAny(out["positions"]), positionOf(one["jobTitle"], one["company"], one["description"]))
		}
		sortPositions(out)
		picture, _ := doc["picture"].(string)
		keep(out, "picture", strings.TrimPrefix(picture, "sha256:"))
	case "nexudus":
		keep(out, "FullName", strings.TrimSpace(fmt.Sprint(doc["firstName"], " ", doc["lastName"])))
		keep(out, "Position", doc["jobTitle"])
		keep(out, "ProfileSummary", doc["summary"])
		return out
	case "jarvi":
		out["profiles"] = []any{c.account()}
		for _, name := range []string{"firstName", "lastName", "headline"} {
			keep(out, name, doc[name])
		}
		keep(out, "currentPosition", doc["jobTitle"])
	}
	for name, v := range holds {
		if _, set := out[name]; !set && name != "positions" {
			out[name] = v
		}
	}
	return out
}

// left are the edits of the cell's profile that wait for a person. Those whose class leaves a doubt to one are told
// apart from the others.
func (x *run) left(c *cell) (doubts, others int) {
	x.Helper()
	for _, one := range x.admin.Must(http.StatusOK, http.MethodGet, "/v1/sinks/"+c.op.provider+"/parked?profile="+c.profile, nil).List(x) {
		if one["class"] == "D" && one["code"] == "uncertain" && one["phase"] == "PARKED" {
			doubts++
		} else {
			others++
		}
	}
	return doubts, others
}
