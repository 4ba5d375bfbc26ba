package api

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"vitae/cmd/vitae/internal/keys"
)

// TestArchive: everything of a profile is in its archive, each file as its manifest says,
// and no credential.
func TestArchive(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(`{"firstName":"Jane"}`)
	own := w.key(id, keys.ProfileRead|keys.ProfileWrite)
	file := w.must(201, call{method: "POST", path: "/v1/files", key: own, header: map[string]string{"Content-Type": "multipart/form-data; boundary=B"},
		body: "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n--B--\r\n"}).json(t)["data"].(map[string]any)["file"].(string)
	w.must(200, call{method: "PATCH", path: "/v1/profile", key: own, body: `{"picture":"` + file + `","firstName":"Janet"}`})
	resume := w.must(201, call{method: "POST", path: "/v1/resume", key: own, body: `{"name":"Design"}`}).json(t)["id"].(string)
	w.must(200, call{method: "PUT", path: "/v1/profiles/" + id.String() + "/connections/linkedin", key: own, body: `{"account":"person1","credential":"very-secret-token"}`})
	read := func(query string) map[string]string {
		t.Helper()
		ask := call{method: "GET", path: "/v1/profiles/" + id.String() + "/archive" + query, key: own}
		a := w.must(200, ask)
		if again := w.must(200, ask); again.body != a.body {
			t.Error("the same state is another archive")
		}
		z, err := zip.NewReader(strings.NewReader(a.body), int64(len(a.body)))
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			out[f.Name] = string(b)
		}
		return out
	}
	all := read("")
	for name, want := range map[string]string{"profile.json": `"firstName":"Janet"`, "resumes/base.json": `"firstName":"Janet"`, "resumes/" + resume + ".json": `"name":"Design"`,
		"resumes/base.resume.json": `"name": "Janet"`, "resumes/base.html": "<h1>Janet</h1>", "contact.vcf": "FN:Janet", "connections.json": `"account":"person1"`,
		"files/" + strings.TrimPrefix(file, "sha256:") + ".png": "\x89PNG", "history.jsonl": `"previous":"Jane"`} {
		if !strings.Contains(all[name], want) {
			t.Errorf("%s: no %s in %q", name, want, all[name])
		}
	}
	if n := strings.Count(all["history.jsonl"], "\n"); n != 7 {
		t.Errorf("%d events:\n%s", n, all["history.jsonl"])
	}
	var manifest struct {
		Seq   uint64
		Files []archived
	}
	if err := json.Unmarshal([]byte(all["manifest.json"]), &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Seq != 4 || len(manifest.Files) != len(all)-1 {
		t.Errorf("%+v of %d files", manifest, len(all))
	}
	for _, f := range manifest.Files {
		sum := sha256.Sum256([]byte(all[f.Name]))
		if f.SHA256 != hex.EncodeToString(sum[:]) || f.Bytes != int64(len(all[f.Name])) {
			t.Errorf("%s is not what the manifest says", f.Name)
		}
	}
	for name, content := range all {
		if strings.Contains(content, "very-secret") {
			t.Errorf("%s has the credential", name)
		}
	}
	then := read("?at=1")
	if names := slices.Collect(func(yield func(string) bool) {
		for name := range then {
			if strings.HasPrefix(name, "files/") && !yield(name) {
				return
			}
		}
	}); len(names) != 0 || strings.Contains(then["history.jsonl"], "Janet") {
		t.Errorf("as of 1: %q\n%s", names, then["history.jsonl"])
	}
	w.must(403, call{method: "GET", path: "/v1/profiles/" + id.String() + "/archive", key: w.key(id, keys.ProfileWrite)})
}
