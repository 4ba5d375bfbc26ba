package exactlyonce

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"vitae/test/harness"
)

// op is one kind of edit, and the lane that brings it to the provider.
type op struct {
	provider string
	name     string
	class    string
	lane     string // the entity, or how it begins
	steps    int    // requests that it takes
	creates  bool
	item     bool // it is about an item of a section
	nameless bool // the answer does not say which item was made: it is looked up always
	unread   bool // nothing shows whether it is there
	items    int  // positions in the profile before the edit
	edit     func(c *cell)
}

func ops() []op {
	var out []op
	for _, p := range []struct{ name, profile, section string }{{"mokaru", "profile", "experiences"}, {"linkedin", "profile", "positions"}} {
		out = append(out,
			op{provider: p.name, name: "set the profile", class: "A", lane: p.profile, steps: 1, items: 1,
				edit: func(c *cell) {
					c.patch(map[string]any{"jobTitle": "after " + c.name, "headline": "after " + c.name, "summary": "before"})
				}},
			op{provider: p.name, name: "create an item", class: "C", lane: p.section + "/", steps: 1, creates: true, item: true, items: 1,
				edit: func(c *cell) {
					c.must(http.StatusCreated, http.MethodPost, "/v1/experiences", position("made"))
				}},
			op{provider: p.name, name: "update an item", class: "C", lane: p.section + "/", steps: 1, item: true, items: 2,
				edit: func(c *cell) {
					c.must(http.StatusOK, http.MethodPatch, "/v1/experiences/"+c.itemID(0), map[string]any{"description": "after"})
				}},
			op{provider: p.name, name: "delete an item", class: "C", lane: p.section + "/", steps: 1, item: true, items: 2,
				edit: func(c *cell) {
					c.must(http.StatusOK, http.MethodDelete, "/v1/experiences/"+c.itemID(0), nil)
				}})
	}
	out = append(out,
		op{provider: "linkedin", name: "set and clear the profile", class: "A", lane: "profile", steps: 2, items: 1,
			edit: func(c *cell) {
				c.patch(map[string]any{"headline": "after " + c.name, "summary": nil})
			}},
		op{provider: "linkedin", name: "order a section", class: "A", lane: "positions", steps: 1, items: 3,
			edit: func(c *cell) {
				list, _ := c.admin.Read(c.profile, "")["workExperiences"].([]any)
				slices.Reverse(list)
				for _, one := range list {
					m := one.(map[string]any)
					delete(m, "id")
					delete(m, "displayOrder")
				}
				c.patch(map[string]any{"workExperiences": list})
			}},
		op{provider: "linkedin", name: "upload a picture", class: "E", lane: "profilePicture", steps: 5, items: 1,
			edit: func(c *cell) { c.patch(map[string]any{"picture": c.upload()}) }})
	return append(out, moreOps()...)
}

func position(title string) map[string]any {
	return map[string]any{"jobTitle": title, "company": "company of " + title, "startDate": "2019-05-01", "description": "before"}
}

// cell is one edit of one profile, with one fate, in one run.
type cell struct {
	t          testing.TB
	admin      *harness.Client
	back       *harness.Client // of the stand-ins
	op         *op
	fate       fate
	name       string
	profile    string
	credential string
	before     uint64   // the profile's last commit before the edit
	outcome    string   // what the page says of it
	notes      []string // what was added to the history
}

func (c *cell) must(status int, method, path string, body any) harness.Reply {
	c.t.Helper()
	return c.admin.Must(status, method, path, body, "X-Vitae-Profile", c.profile)
}

func (c *cell) patch(values map[string]any) {
	c.t.Helper()
	c.must(http.StatusOK, http.MethodPatch, harness.Profile(c.profile), values)
}

func (c *cell) itemID(i int) string {
	c.t.Helper()
	list, _ := c.admin.Read(c.profile, "")["workExperiences"].([]any)
	id, _ := list[i].(map[string]any)["id"].(string)
	return id
}

// begin makes the profile and its connection.
func (c *cell) begin() {
	c.t.Helper()
	list := []any{}
	for i := range c.op.items {
		list = append(list, position(fmt.Sprint("position ", i)))
	}
	c.profile = c.admin.Create(map[string]any{"firstName": "Jane", "lastName": "Doe", "jobTitle": "before", "headline": "before", "summary": "before", "workExperiences": list})
	c.connect()
}

// connect connects the profile to an account of its own.
func (c *cell) connect() {
	c.t.Helper()
	c.credential = harness.Credential()
	body := map[string]any{}
	switch c.op.provider {
	case "postpress":
		c.credential = "pp_test_" + c.credential
		fallthrough
	case "linkedin", "jarvi":
		body["account"] = c.account()
	}
	body["credential"] = c.credential
	c.admin.Must(http.StatusOK, http.MethodPut, harness.Profile(c.profile, "/connections/", c.op.provider), body)
}

// upload stores a file and gives its reference.
func (c *cell) upload() string {
	c.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", "me.png")
	if err != nil {
		c.t.Fatal(err)
	}
	content := []byte("\x89PNG\r\n\x1a\n of " + c.name)
	if _, err = part.Write(content); err == nil {
		err = w.Close()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	digest := sha256.Sum256(content)
	c.admin.Must(http.StatusCreated, http.MethodPost, "/v1/files", b.Bytes(), "X-Vitae-Profile", c.profile, "Content-Type", w.FormDataContentType())
	return "sha256:" + hex.EncodeToString(digest[:])
}

// state is what the provider keeps in the account.
func (c *cell) state() map[string]any {
	c.t.Helper()
	var account struct{ Profile map[string]any }
	header := []string{"Authorization", "Bearer " + c.credential}
	if c.op.provider == "jarvi" {
		header = []string{"X-Api-Key", c.credential}
	}
	c.back.Must(http.StatusOK, http.MethodGet, "/_sandbox/"+c.op.provider+"/account", nil, header...).Into(c.t, &account)
	return account.Profile
}

// holds is what the provider has of the profile, in this test's own words.
func (c *cell) holds() map[string]any {
	c.t.Helper()
	p, out := c.state(), map[string]any{}
	if c.op.provider != "mokaru" && c.op.provider != "linkedin" {
		return c.holdsMore(p)
	}
	if c.op.provider == "mokaru" {
		for _, name := range []string{"firstName", "lastName", "jobTitle", "summary"} {
			keep(out, name, p[name])
		}
		for _, one := range asList(p["experiences"]) {
			out["positions"] = append(asAny(out["positions"]), positionOf(one["jobTitle"], one["company"], one["description"]))
		}
		sortPositions(out)
		return out
	}
	for _, name := range []string{"firstName", "lastName", "headline", "summary"} {
		keep(out, name, localized(p[name]))
	}
	byID := map[string]any{}
	var ids []string
	for _, one := range asList(p["positions"]) {
		id := fmt.Sprint(one["id"])
		ids = append(ids, id)
		byID[id] = positionOf(localized(one["title"]), localized(one["companyName"]), localized(one["description"]))
	}
	if order, ok := p["positionsOrder"].([]any); ok {
		ids = nil
		for _, id := range order {
			ids = append(ids, fmt.Sprint(id))
		}
		for _, id := range slices.Sorted(maps.Keys(byID)) { // what is in no order comes last
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	for _, id := range ids {
		out["positions"] = append(asAny(out["positions"]), byID[id])
	}
	if picture, ok := p["profilePicture"].(map[string]any); ok {
		assets, _ := p["assets"].(map[string]any)
		for _, name := range []string{"originalImage", "displayImage"} {
			urn := fmt.Sprint(picture[name])
			asset, _ := assets[urn[strings.LastIndexByte(urn, ':')+1:]].(map[string]any)
			keep(out, name, asset["sha256"])
		}
	}
	return out
}

// wants is what the provider should have; holds is what it has.
func (c *cell) wants(holds map[string]any) map[string]any {
	c.t.Helper()
	doc := c.admin.Read(c.profile, "")
	if c.op.provider != "mokaru" && c.op.provider != "linkedin" {
		return c.wantsMore(doc, holds)
	}
	out := map[string]any{}
	names := []string{"firstName", "lastName", "jobTitle", "summary"}
	if c.op.provider == "linkedin" {
		names[2] = "headline"
	}
	for _, name := range names {
		keep(out, name, doc[name])
	}
	for _, one := range asList(doc["workExperiences"]) {
		out["positions"] = append(asAny(out["positions"]), positionOf(one["jobTitle"], one["company"], one["description"]))
	}
	if c.op.provider == "mokaru" {
		sortPositions(out) // it has no order for them
	} else if picture, ok := doc["picture"].(string); ok {
		digest := strings.TrimPrefix(picture, "sha256:")
		out["originalImage"], out["displayImage"] = digest, digest
	}
	return out
}

func keep(m map[string]any, name string, v any) {
	if v != nil && v != "" {
		m[name] = v
	}
}

func asAny(v any) []any {
	list, _ := v.([]any)
	return list
}

func asList(v any) (out []map[string]any) {
	for _, one := range asAny(v) {
		m, _ := one.(map[string]any)
		out = append(out, m)
	}
	return out
}

func positionOf(title, company, description any) any {
	return fmt.Sprintf("%v at %v: %v", title, company, description)
}

func sortPositions(m map[string]any) {
	list := asAny(m["positions"])
	slices.SortFunc(list, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	if len(list) > 0 {
		m["positions"] = list
	}
}

// localized is the one text of a value in locales, also when it is inside rawText.
func localized(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	m, _ = m["localized"].(map[string]any)
	for _, text := range m {
		if rich, ok := text.(map[string]any); ok {
			return rich["rawText"]
		}
		return text
	}
	return nil
}

// lane is how a lane stands, as the API shows it.
type lane struct {
	Entity, Phase     string
	WantSeq, AckedSeq uint64
	LastError         *struct{ Type string }
}

// connection is how a cell's connection stands.
type connection struct {
	State   string
	HeadSeq uint64
	Lanes   []lane
}

func (c *cell) connection() connection {
	c.t.Helper()
	var v struct{ Data connection }
	c.admin.Must(http.StatusOK, http.MethodGet, harness.Profile(c.profile, "/connections/", c.op.provider), nil).Into(c.t, &v)
	return v.Data
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
