// Package demo gives a first-time user something to look at: one profile with the example
// values of the five providers' own pages, a key for it, and with the sandbox connections
// to all five stand-ins. It is an ordinary client of the running server.
//
// The key is kept in the data folder, in demo.key (mode 0600), and is what says that the
// demo was made: a second start finds it and changes nothing.
package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"vitae/cmd/vitae/internal/client"
	"vitae/ledger"
)

// Options say where the demo lives.
type Options struct {
	Data string // the server's data folder
	// Sandbox says that the stand-in providers run; SandboxURL is where, if that is known.
	Sandbox    bool
	SandboxURL string
}

// values are first values that the providers' own pages show.
const values = `{
	"firstName": "Jane",
	"lastName": "Smith",
	"email": "jane.smith@example.com",
	"phone": "+33752626164",
	"birthDate": "1990-01-15",
	"address": "2029 Stierlin Ct, Mountain View, CA 94043",
	"city": "Rennes",
	"country": "France",
	"jobTitle": "Product Designer",
	"headline": "Building postpress",
	"summary": "Founder. Author. Builder.",
	"linkedIn": "jane-smith",
	"headline@fr_FR": "Je construis postpress",
	"projects": [{"name": "Vitae", "description": "One profile, many places"}],
	"workExperiences": [{"jobTitle": "Product Designer", "company": "ACME", "startDate": "2021-03", "isCurrent": true},
		{"jobTitle": "Designer", "company": "Initech", "startDate": "2017-09", "endDate": "2021-02"}],
	"educations": [{"school": "Ecole de design", "degree": "Master", "startDate": "2012-09", "endDate": "2017-06"}],
	"skills": [{"name": "Typography", "level": "expert"}, {"name": "Go"}],
	"nexudus": {"profileIsPublic": true}
}`

// Ensure makes the demo if it is not there, and prints how to use it. admin is a client
// with the admin key. When it returns nil the demo's key is in Options.Data/demo.key. After
// an error it can be called again.
func Ensure(ctx context.Context, admin *client.Client, o Options, out io.Writer) error {
	file := filepath.Join(o.Data, "demo.key")
	key, err := kept(ctx, admin, file)
	if err != nil {
		return err
	}
	news := "The demo profile is as you left it."
	if key == "" {
		news = "A demo profile was made."
		if key, err = create(ctx, admin, o); err != nil {
			return err
		}
		if err := save(file, key); err != nil {
			return err
		}
	}
	_, err = io.WriteString(out, text(news, admin.Server(), key, file, o))
	return err
}

// kept gives the key of an earlier start, or "" when there is none that works.
func kept(ctx context.Context, admin *client.Client, file string) (string, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	key := strings.TrimSpace(string(b))
	_, err = admin.WithKey(key).Do(ctx, client.Call{Method: http.MethodGet, Path: "/v1/profile"}, nil)
	var e *client.Error
	if errors.As(err, &e) && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden || e.Status == http.StatusGone || e.Status == http.StatusNotFound) {
		return "", nil // the key was revoked, or the profile erased: start over
	}
	return key, err
}

// standIn is what the demo profile shows to the stand-in of a provider, and how a person
// looks at what is there. The credential is in the form of the provider's own and opens
// nothing anywhere else.
type standIn struct {
	provider, credential, account string
	look                          string // the rest of a curl line behind the stand-in's base URL
}

// person is the demo profile's account at LinkedIn.
const person = "yrZCpj2ZYQ"

// standIns are the five, in the order in which they are shown.
func standIns() []standIn {
	d := sha256.Sum256([]byte("vitae demo"))
	word := hex.EncodeToString(d[:])
	bearer := func(key string) string { return "-H 'Authorization: Bearer " + key + "'" }
	return []standIn{
		{ledger.Mokaru, "mk_" + word, "", "/v1/profile' " + bearer("mk_"+word)},
		{ledger.PostPress, "pp_test_" + word[:32], "demo", "/api/v1/users/me?account_id=demo' -H 'X-API-KEY: pp_test_" + word[:32] + "'"},
		{ledger.LinkedIn, "AQ" + word[:40], person, "/v2/people/(id:" + person + ")' -H 'X-RestLi-Protocol-Version: 2.0.0' " + bearer("AQ"+word[:40])},
		{ledger.Nexudus, "nx" + word[:40], "", "/en/profile?_resource=Coworker' " + bearer("nx"+word[:40])},
		{ledger.Jarvi, "jv" + word[:40], "", "/v1/public-api/rest/v2/profiles' -H 'X-API-KEY: jv" + word[:40] + "'"},
	}
}

// examples are the providers' own example requests, pointed at this server.
func examples(server, key string) []string {
	bearer, api, json := "-H 'Authorization: Bearer "+key+"'", "-H 'X-API-KEY: "+key+"'", "-H 'Content-Type: application/json'"
	return []string{
		"curl -X PATCH " + server + "/api/v1/users/me/edit " + api + " -F type=LINKEDIN -F account_id=demo -F 'headline=Building postpress' -F 'summary=Founder. Author. Builder.' -F 'location[id]=105015875'",
		"curl -X POST '" + server + "/v2/people/(id:" + person + ")' -H 'X-RestLi-Protocol-Version: 2.0.0' " + bearer + " " + json +
			` -d '{"patch":{"$set":{"summary":{"localized":{"en_US":{"rawText":"Awesome summary of me."}},"preferredLocale":{"country":"US","language":"en"}}}}}'`,
		"curl -X PATCH " + server + "/api/public/coworker/profile " + bearer + " " + json + ` -d '{"FullName":"Jane Doe","Position":"Product Designer","ProfileIsPublic":true}'`,
		"curl -X POST " + server + "/v1/public-api/rest/v2/profiles " + api + " " + json +
			` -d '{"location":"Rennes, France","headline":"Co-Founder Jarvi","currentCompanyName":"Jarvi","currentPosition":"Co-founder","linkedinUrl":"https://www.linkedin.com/in/quentindecre/"}'`,
	}
}

// create makes the profile, its connection and its key.
func create(ctx context.Context, admin *client.Client, o Options) (key string, err error) {
	var made struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if _, err := admin.Do(ctx, client.Call{Method: http.MethodPost, Path: "/v1/profiles", Body: []byte(values)}, &made); err != nil {
		return "", err
	}
	profile := made.Data.ID
	if profile == "" {
		return "", errors.New("the server did not name the profile it made")
	}
	if o.Sandbox {
		for _, s := range standIns() {
			connection := map[string]string{"credential": s.credential}
			if s.account != "" {
				connection["account"] = s.account
			}
			body, err := json.Marshal(connection)
			if err != nil {
				return "", err
			}
			if _, err := admin.Do(ctx, client.Call{Method: http.MethodPut, Path: "/v1/profiles/" + profile + "/connections/" + s.provider, Body: body}, nil); err != nil {
				return "", err
			}
		}
	}
	body, err := json.Marshal(map[string]any{
		"name": "demo", "profile": profile,
		"scopes": []string{"profile:read", "profile:write", "audit:read", "events:read", "values:read"},
	})
	if err != nil {
		return "", err
	}
	var reply struct {
		Key  string `json:"key"`
		Data struct {
			Key string `json:"key"`
		} `json:"data"`
	}
	if _, err := admin.Do(ctx, client.Call{Method: http.MethodPost, Path: "/v1/keys", Body: body}, &reply); err != nil {
		return "", err
	}
	if key = reply.Key + reply.Data.Key; key == "" {
		return "", errors.New("the server did not show the key it made")
	}
	return key, nil
}

// save writes the key so that it is there whole or not at all, for the owner only.
func save(file, key string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(file), ".demo.key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if _, err = f.WriteString(key + "\n"); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// text is what the user reads. Its lines can be pasted into a shell as they are.
func text(news, server, key, file string, o Options) string {
	var b strings.Builder
	bearer := "-H 'Authorization: Bearer " + key + "'"
	fmt.Fprintf(&b, "\n%s\n\n", news)
	fmt.Fprintf(&b, "Console: %s/\n", server)
	fmt.Fprintf(&b, "API key: %s   (also in %s)\n\n", key, file)
	fmt.Fprintf(&b, "Edit the profile:\n  curl -X PATCH %s/v1/profile %s -H 'Content-Type: application/json' -d '{\"jobTitle\":\"Co-founder\"}'\n", server, bearer)
	b.WriteString("Or as a client of one of the five providers would, with its own example:\n")
	for _, line := range examples(server, key) {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	fmt.Fprintf(&b, "Read it back:\n  curl %s/v1/profile %s\n", server, bearer)
	fmt.Fprintf(&b, "See its history:\n  bin/vitae profile history --server %s --key-file %s\n", server, file)
	if o.Sandbox {
		fmt.Fprintf(&b, "See how far the providers are:\n  bin/vitae connection list --server %s --key-file %s\n", server, file)
	}
	if o.SandboxURL != "" {
		b.WriteString("See what each of them has:\n")
		for _, s := range standIns() {
			fmt.Fprintf(&b, "  curl '%s/%s%s\n", o.SandboxURL, s.provider, s.look)
		}
	}
	fmt.Fprintf(&b, "\nCtrl-C stops; the data stays in %s.\n\n", o.Data)
	return b.String()
}
