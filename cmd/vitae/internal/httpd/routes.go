package api

import (
	"context"
	"net/http"

	"vitae/cmd/vitae/internal/keys"
)

// route is one row of the table that the mux and the OpenAPI document are made from.
type route struct {
	method, path string
	run          func(http.ResponseWriter, *http.Request) error
	about        string
	scope        keys.Scope // any of them
	open         bool       // needs no key
	all          bool       // needs a key for all profiles
	profile      bool       // is about one profile
	mokaru       bool       // errors in Mokaru's form unless problem+json is asked for
	at           bool       // takes ?at=
	in, out      string     // names of the bodies' schemas; "" is none
	status       int        // of success; 0 is 200
}

// routes is the table.
func (s *Server) routes() []route {
	const get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
	read, write := keys.ProfileRead, keys.ProfileWrite
	operate, admin := keys.Operate, keys.Admin
	rs := []route{
		{method: get, path: "/livez", open: true, run: s.livez, about: "Whether the process lives."},
		{method: get, path: "/readyz", open: true, run: s.readyz, about: "Whether this instance can take commands and read them back."},
		{method: get, path: "/metrics", open: true, run: s.metrics.serve, about: "Metrics in Prometheus' form; no personal data."},
		{method: get, path: "/openapi.json", open: true, run: s.getOpenAPI, about: "This document."},

		{method: get, path: "/v1/profile", scope: read, profile: true, mokaru: true, at: true, run: s.getProfile, out: "ProfileReply", about: "The key's profile: scalars and the collections of the base resume."},
		{method: patch, path: "/v1/profile", scope: write, profile: true, mokaru: true, run: s.patchProfile, in: "Profile", out: "Changed",
			about: "Merge into the profile. Absent is unchanged, null clears, an array replaces the whole collection of base."},
		{method: post, path: "/v1/profiles", scope: admin, all: true, mokaru: true, run: s.postProfile, in: "Profile", out: "Created", status: 201, about: "Create a profile, with first values if the body has any."},
		{method: get, path: "/v1/profiles/{profile}", scope: read, profile: true, mokaru: true, at: true, run: s.getProfile, out: "ProfileReply", about: "A named profile."},
		{method: patch, path: "/v1/profiles/{profile}", scope: write, profile: true, mokaru: true, run: s.patchProfile, in: "Profile", out: "Changed", about: "Merge into a named profile."},
		{method: del, path: "/v1/profiles/{profile}", scope: admin, profile: true, mokaru: true, run: s.deleteProfile, out: "Receipt", about: "Erase: destroy the key of the profile's values. The events stay, unreadable."},

		{method: get, path: "/v1/resume", scope: read, profile: true, mokaru: true, at: true, run: s.getResumes, out: "ResumeList", about: "The resumes: base, then by age."},
		{method: post, path: "/v1/resume", scope: write, profile: true, mokaru: true, run: s.postResume, in: "Resume", out: "Made", status: 201, about: "Create a resume as a copy of base as it is now."},
		{method: get, path: "/v1/resume/{id}", scope: read, profile: true, mokaru: true, at: true, run: s.getResume, out: "ResumeReply", about: "One resume, with the shared scalars."},
		{method: patch, path: "/v1/resume/{id}", scope: write, profile: true, mokaru: true, run: s.patchResume, in: "Resume", out: "Changed", about: "Change a resume's name and collections."},
		{method: del, path: "/v1/resume/{id}", scope: write, profile: true, mokaru: true, run: s.deleteResume, out: "Success", about: "Delete a resume; base stays."},

		{method: post, path: "/v1/files", scope: write, profile: true, mokaru: true, run: s.postFile, out: "File", status: 201, about: "Upload one file of up to 20 MiB as multipart/form-data, to use as picture or attachment."},
		{method: get, path: "/v1/files/{file}", scope: read, profile: true, mokaru: true, run: s.getFile, about: "Read a file of the profile."},

		{method: get, path: "/v1/profiles/{profile}/history", scope: keys.AuditRead, profile: true, run: s.getHistory, out: "History",
			about: "The profile's events, oldest first. Query: view, field, actor, via, after (a cursor), limit."},

		{method: get, path: "/v1/keys", scope: admin, all: true, run: s.getKeys, out: "KeyList", about: "Every API key, without the keys themselves."},
		{method: post, path: "/v1/keys", scope: admin, all: true, run: s.postKey, in: "NewKey", out: "KeyReply", status: 201, about: "Make an API key. It is shown in this reply only."},
		{method: del, path: "/v1/keys/{id}", scope: admin, all: true, run: s.deleteKey, out: "Success", about: "Revoke an API key."},

		{method: get, path: "/v1/profiles/{profile}/connections", scope: read | operate, profile: true, run: s.getConnections, out: "ConnectionList", about: "How the profile's connections stand, lane by lane."},
		{method: get, path: "/v1/profiles/{profile}/connections/{provider}", scope: read | operate, profile: true, run: s.getConnection, out: "ConnectionReply", about: "How one connection stands."},
		{method: put, path: "/v1/profiles/{profile}/connections/{provider}", scope: write | operate, profile: true, run: s.putConnection, in: "NewConnection", out: "Changed",
			about: "Connect the profile to its account at a provider, which is then brought up to date. The credential is sealed and never shown."},
		{method: del, path: "/v1/profiles/{profile}/connections/{provider}", scope: write | operate, profile: true, run: s.deleteConnection, out: "Success", about: "Remove a connection and its credential."},

		{method: get, path: "/v1/sinks", scope: operate, all: true, run: s.getSinks, out: "SinkList", about: "The sinks that run."},
		{method: get, path: "/v1/sinks/{provider}", scope: operate, all: true, run: s.getSink, out: "Sink", about: "How one sink stands."},
		{method: post, path: "/v1/sinks/{provider}/pause", scope: operate, all: true, out: "Success", about: "Stop sending; edits wait.",
			run: s.switchSink(func(k Sinks) func(context.Context, string) error { return k.Pause })},
		{method: post, path: "/v1/sinks/{provider}/resume", scope: operate, all: true, out: "Success", about: "Send again.",
			run: s.switchSink(func(k Sinks) func(context.Context, string) error { return k.Resume })},
		{method: get, path: "/v1/sinks/{provider}/parked", scope: operate, all: true, run: s.getParked, out: "ParkedList", about: "The edits that wait for a person."},
		{method: post, path: "/v1/sinks/{provider}/parked/{id}", scope: operate, all: true, run: s.postParked, in: "Decision", out: "Success", about: "Decide about a parked edit."},

		{method: get, path: "/v1/fields", run: s.getFields, out: "FieldList", about: "The catalogue: every field, its limits, and how each provider carries it."},
		{method: get, path: "/v1/views", scope: operate, all: true, run: s.getViews, out: "ViewList", about: "The projections and how far they are."},
		{method: post, path: "/v1/views/{name}/rebuild", scope: operate, all: true, run: s.rebuildView, out: "TaskReply", status: 202, about: "Build a projection anew beside the live one, compare, and swap."},
		{method: post, path: "/v1/fsck", scope: admin, all: true, run: s.postFsck, out: "TaskReply", status: 202, about: "Check every invariant of the ledger."},
		{method: get, path: "/v1/tasks/{id}", scope: operate, all: true, run: s.getTask, out: "TaskReply", about: "How far a task is, and what came of it."},
	}
	for _, name := range []string{"experiences", "education", "skills"} {
		field := itemRoutes[name]
		rs = append(rs,
			route{method: get, path: "/v1/" + name, scope: read, profile: true, mokaru: true, at: true, run: s.getItems(field), out: "ItemList", about: "The " + name + " of base."},
			route{method: post, path: "/v1/" + name, scope: write, profile: true, mokaru: true, run: s.postItem(field), in: field, out: "Made", status: 201, about: "Add to the " + name + " of base."},
			route{method: get, path: "/v1/" + name + "/{id}", scope: read, profile: true, mokaru: true, at: true, run: s.getItem(field), out: "Item", about: "One of the " + name + "."},
			route{method: patch, path: "/v1/" + name + "/{id}", scope: write, profile: true, mokaru: true, run: s.patchItem(field), in: field, out: "Success", about: "Change one of the " + name + "."},
			route{method: del, path: "/v1/" + name + "/{id}", scope: write, profile: true, mokaru: true, run: s.deleteItem(field), out: "Success", about: "Remove one of the " + name + "."})
	}
	return rs
}
