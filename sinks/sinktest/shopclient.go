package sinktest

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// Through is the shop as a provider whose requests go through net. It can be read and
// listed unless the shop is blind, and renewed if the shop renews.
func (s *Shop) Through(net sinks.Doer) sinks.Provider {
	c := &shopClient{shop: s, net: net}
	switch {
	case s.Blind:
		return c
	case s.Renewing:
		return &shopRenewer{&shopReader{c}}
	}
	return &shopReader{c}
}

type shopClient struct {
	shop *Shop
	net  sinks.Doer
}

type shopReader struct{ *shopClient }

type shopRenewer struct{ *shopReader }

// Name implements sinks.Provider.
func (s *shopClient) Name() string { return ShopName }

// Entities implements sinks.Provider.
func (s *shopClient) Entities() []sinks.Entity {
	return []sinks.Entity{{Name: "profile", Class: sinks.ClassA}, {Name: "card", Class: sinks.ClassB}, {Name: "notes", Class: sinks.ClassA, Items: sinks.ClassC, Ordered: true},
		{Name: "log", Class: sinks.ClassA, Items: sinks.ClassD}, {Name: "picture", Class: sinks.ClassE}, {Name: "task", Class: sinks.ClassF}}
}

// home is the entity that carries a field.
func home(field string) string {
	switch field {
	case "email", "phone":
		return "card"
	case "headline":
		return "task"
	case "picture":
		return "picture"
	case "workExperiences":
		return "notes"
	case "awards":
		return "log"
	}
	return "profile"
}

// Concerns implements sinks.Provider.
func (s *shopClient) Concerns(e *ledger.Event) ([]string, bool) {
	switch {
	case e.Op != ledger.OpSet && e.Op != ledger.OpClear && e.Op != ledger.OpPut && e.Op != ledger.OpRemove && e.Op != ledger.OpOrder:
		return nil, true
	case e.Item != "":
		return []string{sinks.ItemEntity(home(e.Field), e.Item), home(e.Field)}, false
	}
	return []string{home(e.Field)}, false
}

// Rate implements sinks.Provider.
func (s *shopClient) Rate() sinks.Rate { return s.shop.Limit }

func items(section string, p *ledger.Profile) ([]ledger.Item, error) {
	settings, _, err := sinks.SettingsOf(p, ShopName)
	if err != nil {
		return nil, err
	}
	field := "workExperiences"
	if section == "log" {
		field = "awards"
	}
	return p.Items(settings.Resume, field), nil
}

// Items implements sinks.Provider.
func (s *shopClient) Items(section string, p *ledger.Profile) (ids []string, err error) {
	list, err := items(section, p)
	for _, it := range list {
		ids = append(ids, it.ID)
	}
	return ids, err
}

// Scalars are what an entity carries of the shared scalars, as one JSON object.
func Scalars(entity string, p *ledger.Profile) (doc []byte, names []string) {
	values := map[string]json.RawMessage{}
	for name := range p.Shared {
		if home(name) == entity {
			values[name] = json.RawMessage(p.Scalar(name))
			names = append(names, name)
		}
	}
	slices.Sort(names)
	doc, err := json.Marshal(values)
	if err != nil {
		panic(err)
	}
	return doc, names
}

// Build implements sinks.Provider.
func (s *shopClient) Build(entity string, p *ledger.Profile, have sinks.Have) (sinks.Payload, error) {
	section, item := sinks.SplitEntity(entity)
	switch {
	case item != "":
		list, err := items(section, p)
		i := slices.IndexFunc(list, func(it ledger.Item) bool { return it.ID == item })
		if err != nil || i < 0 {
			return sinks.Payload{Absent: true, Mapping: 1}, err
		}
		return sinks.Payload{Body: list[i].Value, Echo: list[i].Value, Mapping: 1}, nil
	case section == "log":
		return sinks.Payload{Mapping: 1}, nil
	case section == "notes":
		return order(p, have)
	}
	doc, names := Scalars(section, p)
	out := sinks.Payload{Body: doc, Echo: doc, Fields: names, Mapping: 1}
	for _, name := range have.Fields {
		if !slices.Contains(names, name) {
			out.Clears = append(out.Clears, name)
		}
	}
	if len(names) == 0 && section != "profile" {
		out.Body = nil
	}
	if section == "picture" {
		out.Steps = []string{"register", "upload", "set"}
		if out.Body == nil {
			out.Steps, out.Echo = []string{"unset"}, []byte("{}")
		}
	}
	return out, nil
}

func order(p *ledger.Profile, have sinks.Have) (sinks.Payload, error) {
	list, err := items("notes", p)
	if err != nil {
		return sinks.Payload{}, err
	}
	refs := []string{}
	for _, it := range list {
		if ref := have.Refs[it.ID]; ref != "" {
			refs = append(refs, ref)
		}
	}
	if len(refs) < 2 {
		return sinks.Payload{Mapping: 1}, nil
	}
	body, err := json.Marshal(refs)
	return sinks.Payload{Body: body, Echo: body, Mapping: 1}, err
}

// Call implements sinks.Provider.
func (s *shopClient) Call(ctx context.Context, c sinks.Call) sinks.Outcome {
	section, item := sinks.SplitEntity(c.Entity)
	method, path, body := http.MethodPut, section, c.Body
	if body == nil {
		body = []byte("{}")
	}
	var made struct{ Asset, Upload string }
	if r := c.Results["register"]; r != nil {
		if err := json.Unmarshal(r, &made); err != nil {
			panic(err)
		}
	}
	switch {
	case c.Step == "register":
		method, path = http.MethodPost, "picture/register"
	case c.Step == "upload":
		path = "picture/upload/" + made.Upload
	case c.Step == "set":
		body = []byte(`"` + made.Asset + `"`)
	case c.Step == "unset":
		body = []byte("null")
	case item == "" && section == "notes":
		path = "notes/order"
	case c.Verb == sinks.VerbCreate, c.Verb == sinks.VerbAppend:
		method = http.MethodPost
	case c.Verb == sinks.VerbUpdate:
		path += "/" + c.Ref
	case c.Verb == sinks.VerbDelete:
		method, path, body = http.MethodDelete, path+"/"+c.Ref, nil
	}
	got, out := s.exchange(ctx, method, path, body, c)
	if out.Verdict != sinks.Applied {
		return out
	}
	switch {
	case c.Verb == sinks.VerbCreate:
		out.Ref = got.ID
	case got.Task != "":
		out.Verdict, out.Task = sinks.Accepted, got.Task
	case c.Step == "register":
		out.Result, _ = json.Marshal(map[string]string{"asset": got.Asset, "upload": got.Upload}) // two strings are always JSON
	}
	return out
}

// Read implements sinks.Reader.
func (s *shopReader) Read(ctx context.Context, c sinks.Call) (sinks.Reading, sinks.Outcome) {
	got, out := s.exchange(ctx, http.MethodGet, c.Entity, nil, c)
	if out.Verdict != sinks.Applied {
		return sinks.Reading{}, out
	}
	if c.Entity == "notes" {
		list, out := notes(got.Value, out)
		ids := []string{}
		for _, n := range list {
			ids = append(ids, n.ID)
		}
		echo, _ := json.Marshal(ids) // strings are always JSON
		return sinks.Reading{Echo: echo}, out
	}
	values := map[string]json.RawMessage{}
	if err := json.Unmarshal(got.Value, &values); err != nil {
		return sinks.Reading{}, sinks.Outcome{Fault: sinks.Fault{Type: sinks.UnknownType}}
	}
	for name := range values {
		if !slices.Contains(c.Fields, name) {
			delete(values, name)
		}
	}
	if values == nil {
		values = map[string]json.RawMessage{}
	}
	echo, err := json.Marshal(values)
	if err != nil {
		panic(err)
	}
	return sinks.Reading{Echo: echo}, out
}

// List implements sinks.Lister.
func (s *shopReader) List(ctx context.Context, c sinks.Call) ([]sinks.Listed, sinks.Outcome) {
	got, out := s.exchange(ctx, http.MethodGet, c.Entity, nil, c)
	if out.Verdict != sinks.Applied {
		return nil, out
	}
	list, out := notes(got.Value, out)
	var listed []sinks.Listed
	for _, n := range list {
		listed = append(listed, sinks.Listed{Ref: n.ID, Echo: n.Note})
	}
	return listed, out
}

func notes(value []byte, out sinks.Outcome) (list []Note, _ sinks.Outcome) {
	if err := json.Unmarshal(value, &list); err != nil {
		return nil, sinks.Outcome{Fault: sinks.Fault{Type: sinks.UnknownType}}
	}
	return list, out
}

// Refresh implements sinks.Refresher.
func (s *shopRenewer) Refresh(ctx context.Context, credential []byte) ([]byte, sinks.Outcome) {
	got, out := s.exchange(ctx, http.MethodPost, "token", nil, sinks.Call{Credential: credential})
	return []byte(got.Token), out
}

// answers is the shop's error table.
var answers = sinks.Table{
	{Status: 400, Type: "invalid_grant", Then: sinks.AccountError, Name: "invalid_grant", Say: "the credential cannot be renewed any more"},
	{Status: 401, Then: sinks.AccountError, Name: "unauthorized", Say: "the credential is not wanted"},
	{Status: 403, Then: sinks.CapabilityOff, Name: "forbidden", Say: "this account may not do this kind of edit"},
	{Status: 404, Item: sinks.WithItem, Then: sinks.TargetGone, Name: "not_found", Say: "the item is not there"},
	{Status: 409, Then: sinks.Busy, Name: "conflict", Say: "somebody else edits it", Wait: 5 * time.Second, Most: 3},
	{Status: 410, Step: "upload", Then: sinks.StepGone, Name: "expired", Say: "the upload has expired"},
	{Status: 422, Then: sinks.Refused, Name: "validation", Say: "the shop refuses it"},
	{Status: 429, Then: sinks.Throttled, Name: sinks.TypeThrottled, Say: "too many calls"},
	{Status: 500, Then: sinks.Unknown, Name: "server_error", Say: "an error over there"},
}

// reply is everything that the shop may say.
type reply struct {
	OK                             *bool
	Status                         int
	Error                          string
	ID, Task, Asset, Upload, Token string
	Value                          json.RawMessage
}

func (s *shopClient) exchange(ctx context.Context, method, path string, body []byte, c sinks.Call) (got reply, out sinks.Outcome) {
	req, err := http.NewRequestWithContext(ctx, method, "http://shop.invalid/"+path, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", string(c.Credential))
	if !c.Attempt.IsZero() {
		req.Header.Set("X-Vitae-Attempt", c.Attempt.String())
	}
	if c.Step != "" {
		req.Header.Set("X-Vitae-Step", c.Step)
	}
	a := sinks.Exchange(ctx, s.net, req)
	broken := json.Unmarshal(a.Body, &got) != nil
	switch {
	case a.Err == nil && a.Status/100 == 2 && !broken && got.OK != nil && *got.OK:
		return got, sinks.Outcome{Verdict: sinks.Applied, Fault: sinks.Fault{HTTP: a.Status, Sent: a.Sent}}
	case a.Err == nil && a.Status/100 == 2 && !broken && got.OK != nil:
		a.Status = got.Status // a refusal inside a success
	}
	out = answers.Outcome(a, strings.ToLower(got.Error), c)
	if wait, err := time.ParseDuration(a.Header.Get("Retry-After") + "s"); err == nil && out.Verdict == sinks.Throttled {
		out.RetryAfter = wait
	}
	return got, out
}
