package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/sinks/webhook"
)

func (s *Server) webhookRoutes() []route {
	out := []route{
		{method: "POST", path: "/v1/webhooks", id: "createWebhook", summary: "Have events delivered to an address; its secret is shown this once", run: s.postWebhook,
			request: "WebhookNew", reply: "WebhookReply", status: http.StatusCreated, query: []string{"dryRun"}},
		{method: "GET", path: "/v1/webhooks", id: "listWebhooks", summary: "List the webhooks", run: s.getWebhooks, reply: "WebhookList"},
		{method: "GET", path: "/v1/webhooks/{id}", id: "getWebhook", summary: "See how far a webhook is, and what failed", run: s.getWebhook, reply: "WebhookReply"},
		{method: "DELETE", path: "/v1/webhooks/{id}", id: "deleteWebhook", summary: "Take a webhook away, with what waits for it", run: s.deleteWebhook, reply: "Success", query: []string{"dryRun"}},
		{method: "POST", path: "/v1/webhooks/{id}/rotate", id: "rotateWebhook", summary: "Give a webhook a new secret, shown this once; the old one signs beside it for a day", run: s.rotateWebhook,
			reply: "WebhookReply", query: []string{"dryRun"}},
		{method: "POST", path: "/v1/webhooks/{id}/test", id: "testWebhook", summary: "Send a test event once, and say what came of it", run: s.testWebhook, reply: "WebhookAttempt", query: []string{"dryRun"}},
		{method: "GET", path: "/v1/webhooks/{id}/attempts", id: "listWebhookAttempts", summary: "List what was tried, the oldest first", run: s.getWebhookAttempts,
			reply: "WebhookAttemptList", query: []string{"after", "limit"}},
		{method: "POST", path: "/v1/webhooks/{id}/redrive", id: "redriveWebhook", summary: "Enable a webhook, and send what failed or waits, one event, or everything since a sequence", run: s.redriveWebhook,
			request: "WebhookRedrive", optional: true, reply: "WebhookReply", query: []string{"dryRun"}},
	}
	for i := range out {
		out[i].scope = keys.EventsRead
		if out[i].path != "/v1/webhooks" {
			out[i].fails = append(out[i].fails, http.StatusNotFound)
		}
	}
	return tagged("webhooks", false, out)
}

func webhookSchemas(out object) {
	text, number, flag := object{"type": "string"}, object{"type": "integer"}, object{"type": "boolean"}
	moment := object{"type": "string", "format": "date-time"}
	failed := shape(object{"seq": number, "event": text, "type": text, "profile": text, "attempts": number, "at": moment, "why": text}, "seq", "event", "type", "attempts", "at", "why")
	hook := shape(object{"id": text, "url": text, "types": arrayOf(text), "profile": text, "description": text, "values": flag, "state": object{"type": "string", "enum": []any{"enabled", "disabled"}},
		"why": text, "createdAt": moment, "secret": text, "publicKey": text, "cursor": number, "behind": number, "failed": arrayOf(failed)}, "id", "url", "types", "profile", "values", "state", "createdAt", "publicKey")
	attempt := shape(object{"event": text, "type": text, "profile": text, "seq": number, "n": number, "at": moment, "millis": number,
		"outcome": object{"type": "string", "enum": []any{"delivered", "refused", "unknown", "unsent", "gone"}}, "status": number, "why": text, "next": moment, "last": flag}, "event", "type", "n", "at", "outcome")
	out["Webhook"], out["WebhookReply"], out["WebhookList"] = hook, shape(object{"data": ref("Webhook"), "dryRun": flag}, "data"), pageOf(ref("Webhook"))
	out["WebhookNew"] = shape(object{"url": text, "types": arrayOf(object{"type": "string", "enum": eventTypes()}), "profile": text, "description": text, "values": flag}, "url")
	out["WebhookRedrive"] = shape(object{"since": number, "id": text})
	out["WebhookAttempt"] = shape(object{"data": attempt}, "data")
	out["WebhookAttemptList"] = pageOf(attempt)
}

func eventTypes() (out []any) {
	for _, t := range ledger.CloudEventTypes() {
		out = append(out, t)
	}
	return out
}

// webhookView is a webhook as it is shown; Secret only when it is made.
type webhookView struct {
	ID          string           `json:"id"`
	URL         string           `json:"url"`
	Types       []string         `json:"types"`
	Profile     string           `json:"profile"`
	Description string           `json:"description,omitempty"`
	Values      bool             `json:"values"`
	State       webhook.State    `json:"state"`
	Why         string           `json:"why,omitempty"`
	Created     time.Time        `json:"createdAt"`
	Secret      string           `json:"secret,omitempty"`
	PublicKey   string           `json:"publicKey,omitempty"`
	Cursor      uint64           `json:"cursor,omitempty"`
	Behind      int              `json:"behind"`
	Failed      []webhook.Failed `json:"failed,omitempty"`
}

func viewOfWebhook(e *webhook.Endpoint, secret bool) webhookView {
	v := webhookView{ID: e.ID, URL: e.URL, Types: e.Types, Profile: profileText(e.Profile), Description: e.Description, Values: e.Values, State: e.State, Why: e.Why, Created: e.Created}
	if v.Types == nil {
		v.Types = []string{}
	}
	if len(e.Signing) > 0 {
		v.PublicKey = e.PublicKeyText()
	}
	if secret && len(e.Secrets) > 0 {
		v.Secret = webhook.SecretText(e.Secrets[0])
	}
	return v
}

type webhookReply struct {
	Data   webhookView `json:"data"`
	DryRun bool        `json:"dryRun,omitempty"`
}

// hooks gives the manager, where there is one.
func (s *Server) hooks() (*webhook.Manager, error) {
	if s.Webhooks == nil {
		return nil, ledger.ErrUnavailable
	}
	return s.Webhooks, nil
}

// hook gives the webhook that a request names. To a key of one profile there are those of
// its profile only.
func (s *Server) hook(ctx context.Context, r *http.Request) (*webhook.Manager, *webhook.Status, error) {
	m, err := s.hooks()
	if err != nil {
		return nil, nil, err
	}
	id := r.PathValue("id")
	if _, err := ledger.ParseProfileID(id); err != nil { // any ULID
		return nil, nil, ledger.ErrNotFound
	}
	st, err := m.Get(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if key := exchangeOf(r).key; !key.ForAll() && st.Profile != key.Profile {
		return nil, nil, ledger.ErrNotFound
	}
	return m, st, nil
}

func (s *Server) postWebhook(w http.ResponseWriter, r *http.Request) error {
	m, err := s.hooks()
	if err != nil {
		return err
	}
	b, err := body(w, r, false)
	if err != nil {
		return err
	}
	f, err := formOf(b)
	if err != nil {
		return err
	}
	key := exchangeOf(r).key
	f.only("url", "types", "profile", "description", "values")
	e := webhook.Endpoint{Types: f.texts("types"), Values: f.flag("values"), Key: key.ID, Profile: key.Profile}
	var given bool
	if e.URL, given = f.text("url"); !given && len(*f.wrong) == 0 {
		f.refuse("url", ledger.CodeRequired, "is required: where events go")
	}
	e.Description, _ = f.text("description")
	if text, ok := f.text("profile"); ok && text != "*" {
		if p := f.profile("profile"); p != nil {
			e.Profile = *p
		}
	}
	if !key.ForAll() && e.Profile != key.Profile {
		return fail(http.StatusForbidden, "foreign_profile", "The key is not for this profile.")
	}
	if e.Values && !key.Has(keys.ValuesRead) {
		return fail(http.StatusForbidden, "scope_missing", "Values need the scope values:read. Leave out values to follow without them.")
	}
	if err := f.err(); err != nil {
		return err
	}
	if err := m.Check(e); err != nil {
		return err
	}
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	if dryRun {
		e.State, e.Created = webhook.Enabled, s.now().UTC()
		return s.send(w, r, http.StatusOK, webhookReply{Data: viewOfWebhook(&e, false), DryRun: true})
	}
	return s.onceAbout(w, r, e.Profile, b, func() (int, any, error) {
		made, err := m.Create(r.Context(), e)
		if err != nil {
			return 0, nil, err
		}
		w.Header().Set("Location", "/v1/webhooks/"+made.ID)
		return http.StatusCreated, webhookReply{Data: viewOfWebhook(made, true)}, nil
	})
}

func (s *Server) getWebhooks(w http.ResponseWriter, r *http.Request) error {
	m, err := s.hooks()
	if err != nil {
		return err
	}
	all, err := m.List(r.Context())
	if err != nil {
		return err
	}
	key := exchangeOf(r).key
	out := []webhookView{}
	for _, e := range all {
		if key.ForAll() || e.Profile == key.Profile {
			out = append(out, viewOfWebhook(e, false))
		}
	}
	return s.send(w, r, http.StatusOK, list{Data: out})
}

func (s *Server) getWebhook(w http.ResponseWriter, r *http.Request) error {
	_, st, err := s.hook(r.Context(), r)
	if err != nil {
		return err
	}
	v := viewOfWebhook(st.Endpoint, false)
	v.Cursor, v.Behind, v.Failed = st.Cursor, st.Behind, st.Failed
	return s.send(w, r, http.StatusOK, webhookReply{Data: v})
}

func (s *Server) deleteWebhook(w http.ResponseWriter, r *http.Request) error {
	m, st, err := s.hook(r.Context(), r)
	if err != nil {
		return err
	}
	if dryRun, err := dry(r); err != nil || dryRun {
		if err == nil {
			err = s.wouldSucceed(w, r)
		}
		return err
	}
	if err := m.Delete(r.Context(), st.ID); err != nil {
		return err
	}
	return s.send(w, r, http.StatusOK, map[string]bool{"success": true})
}

func (s *Server) rotateWebhook(w http.ResponseWriter, r *http.Request) error {
	m, st, err := s.hook(r.Context(), r)
	if err != nil {
		return err
	}
	if dryRun, err := dry(r); err != nil || dryRun {
		if err == nil {
			err = s.send(w, r, http.StatusOK, webhookReply{Data: viewOfWebhook(st.Endpoint, false), DryRun: true})
		}
		return err
	}
	return s.onceAbout(w, r, st.Profile, []byte("rotate "+st.ID), func() (int, any, error) {
		e, err := m.Rotate(r.Context(), st.ID)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, webhookReply{Data: viewOfWebhook(e, true)}, nil
	})
}

func (s *Server) testWebhook(w http.ResponseWriter, r *http.Request) error {
	m, st, err := s.hook(r.Context(), r)
	if err != nil {
		return err
	}
	if dryRun, err := dry(r); err != nil || dryRun {
		if err == nil {
			err = s.wouldSucceed(w, r)
		}
		return err
	}
	return s.onceAbout(w, r, st.Profile, []byte("test "+st.ID), func() (int, any, error) {
		a, err := m.Test(r.Context(), st.ID)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, map[string]any{"data": a}, nil
	})
}

func (s *Server) getWebhookAttempts(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r)
	if err != nil {
		return err
	}
	limit, err := number(q, "limit", 100, 1, maxPage)
	if err != nil {
		return err
	}
	after, err := number(q, "after", 0, 0, 1<<62)
	if err != nil {
		return err
	}
	m, st, err := s.hook(r.Context(), r)
	if err != nil {
		return err
	}
	attempts, more, err := m.Attempts(r.Context(), st.ID, uint64(after), limit)
	if err != nil {
		return err
	}
	out := list{Data: attempts}
	if attempts == nil {
		out.Data = []webhook.Attempt{}
	}
	if more {
		next := strconv.FormatUint(attempts[len(attempts)-1].Place, 10)
		out.Next = &next
	}
	return s.send(w, r, http.StatusOK, out)
}

// redriveWebhook carries out {"since", "id"}: nothing of it means what failed or waits.
func (s *Server) redriveWebhook(w http.ResponseWriter, r *http.Request) error {
	b, err := body(w, r, true)
	if err != nil {
		return err
	}
	f, err := formOf(b)
	if err != nil {
		return err
	}
	f.only("since", "id")
	want := webhook.Redrive{Since: uint64(f.seq("since")), Event: f.name("id")}
	if want.Since > 0 && want.Event != "" {
		f.refuse("id", ledger.CodeNotOneOf, "goes without since")
	}
	if err := f.err(); err != nil {
		return err
	}
	m, st, err := s.hook(r.Context(), r)
	if err != nil {
		return err
	}
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	if dryRun {
		return s.send(w, r, http.StatusOK, webhookReply{Data: viewOfWebhook(st.Endpoint, false), DryRun: true})
	}
	return s.onceAbout(w, r, st.Profile, append([]byte("redrive "+st.ID+" "), b...), func() (int, any, error) {
		e, err := m.Ask(r.Context(), st.ID, want)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, webhookReply{Data: viewOfWebhook(e, false)}, nil
	})
}
