package postpress

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// paper is a small PostPress for these tests: one account, its profile, and the answers
// to keys that it has seen.
type paper struct {
	mu       sync.Mutex
	values   map[string][]string         // of the root and the pictures, by name
	entries  map[string][]map[string]any // by section, as they are listed
	answered map[string]bool             // keys
	next     int
	adds     int // that were told with each new key
	edits    int
	told     int  // how often the network was
	withhold bool // the sections
	refuse   func(*http.Request) (status int, body string)
}

func newPaper() *paper {
	return &paper{values: map[string][]string{}, entries: map[string][]map[string]any{}, answered: map[string]bool{}}
}

// ServeHTTP implements http.Handler.
func (p *paper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	status, body := p.serve(r)
	w.WriteHeader(status)
	_, _ = fmt.Fprint(w, body) // a recorder takes everything
}

func fail(status int, kind string) (int, string) {
	return status, fmt.Sprintf(`{"title":"x","type":"errors/%s","status":%d}`, kind, status)
}

func (p *paper) serve(r *http.Request) (status int, body string) {
	if r.Header.Get("X-API-KEY") != "pp_live_canary" {
		return fail(401, "missing_credentials")
	}
	if p.refuse != nil {
		if status, body = p.refuse(r); status != 0 {
			return status, body
		}
	}
	const base = "/pp/api/v1/users/"
	if r.Method == http.MethodGet {
		if r.URL.Query().Get("account_id") != account {
			return fail(404, "resource_not_found")
		}
		switch r.URL.Path {
		case base + "me":
			return 200, `{"object":"AccountOwnerProfile","provider":"LINKEDIN","provider_id":"ACoAAA","headline":"x"}`
		case base + "ACoAAA":
			doc := map[string]any{"object": "UserProfile", "provider_id": "ACoAAA"}
			for _, s := range strings.Split(r.URL.Query().Get("linkedin_sections"), ",") {
				name := map[string]string{"experience": "work_experience", "education": "education"}[s]
				if p.withhold {
					doc[name], doc["throttled_sections"] = []any{}, []string{s}
				} else {
					doc[name], doc[name+"_total_count"] = p.entries[s], len(p.entries[s])
				}
			}
			b, err := json.Marshal(doc)
			if err != nil {
				panic(err)
			}
			return 200, string(b)
		}
	}
	if r.Method != http.MethodPatch || r.URL.Path != base+"me/edit" || r.ParseMultipartForm(1<<20) != nil {
		return 404, `Not Found`
	}
	v := r.MultipartForm.Value
	key := r.Header.Get("Idempotency-Key")
	switch {
	case strings.Join(v["type"], "") != "LINKEDIN" || strings.Join(v["account_id"], "") != account || key == "":
		return fail(422, "unprocessable_entity")
	case p.answered[key]:
		return 200, profileEdited
	}
	for name, files := range r.MultipartForm.File {
		p.values[name] = []string{fmt.Sprint(files[0].Size)}
	}
	for _, section := range []string{"experience", "education"} {
		if status, body := p.entry(section, v); status != 0 {
			return status, body
		}
	}
	for name, values := range v {
		if !strings.HasPrefix(name, "experience[") && !strings.HasPrefix(name, "education[") {
			p.values[name] = values
		}
	}
	p.answered[key] = true
	return 200, profileEdited
}

func (p *paper) entry(section string, v map[string][]string) (status int, body string) {
	entry, id := map[string]any{}, ""
	for name, values := range v {
		name, ok := strings.CutPrefix(name, section+"[")
		if !ok {
			continue
		}
		name = strings.TrimSuffix(name, "]")
		switch name {
		case "id":
			id = values[0]
		case notify:
			if values[0] == "true" {
				p.told++
			}
		case "role":
			entry["position"] = values[0]
		default:
			entry[name] = values[0]
		}
	}
	if len(entry) == 0 {
		return 0, ""
	}
	month := func(name string) string {
		m, y := entry[name+"_date][month"], entry[name+"_date][year"]
		if m == nil || y == nil {
			return ""
		}
		return fmt.Sprintf("%s/1/%s", m, y)
	}
	entry["start"], entry["end"] = month("start"), month("end")
	if entry["start"] == "" {
		return fail(422, "unprocessable_entity")
	}
	for name := range entry {
		if strings.Contains(name, "]") {
			delete(entry, name)
		}
	}
	if id == "" {
		p.next++
		p.adds++
		entry["id"] = fmt.Sprint(100 + p.next)
		p.entries[section] = append(p.entries[section], entry)
		return 0, ""
	}
	for _, old := range p.entries[section] {
		if old["id"] == id {
			p.edits++
			for name, value := range entry {
				old[name] = value
			}
			return 0, ""
		}
	}
	return fail(404, "resource_not_found")
}

func (p *paper) value(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.values[name], "|")
}

// positions are the roles and schools that are there.
func (p *paper) positions(section string) (out []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.entries[section] {
		name := e["position"]
		if section == "education" {
			name = e["school"]
		}
		out = append(out, fmt.Sprint(name))
	}
	return out
}
