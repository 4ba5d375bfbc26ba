package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// registration is the body of a registration.
func (p linkedinClient) registration(recipe string) string {
	return `{"registerUploadRequest":{"recipes":["urn:li:digitalmediaRecipe:` + recipe + `"],"owner":"urn:li:person:` + p.id + `","serviceRelationships":[]}}`
}

// register gives the asset and the path where it is to be uploaded.
func (p linkedinClient) register(recipe string) (asset, path string) {
	p.Helper()
	a := p.call("POST", "/v2/assets?action=registerUpload", p.registration(recipe))
	var v struct {
		Value struct {
			Asset, MediaArtifact string
			UploadMechanism      map[string]struct {
				Headers   map[string]string
				UploadURL string `json:"uploadUrl"`
			}
		}
	}
	p.decode(a, &v)
	target := v.Value.UploadMechanism["com.linkedin.digitalmedia.uploading.MediaUploadHttpRequest"].UploadURL
	if !strings.HasPrefix(target, p.url+"/linkedin/mediaUpload/") || !strings.Contains(v.Value.MediaArtifact, v.Value.Asset) {
		p.Fatalf("%s", a.body)
	}
	return v.Value.Asset, strings.TrimPrefix(target, p.url+"/linkedin")
}

// picture registers and uploads an image.
func (p linkedinClient) picture(recipe string) (asset string) {
	p.Helper()
	asset, path := p.register(recipe)
	p.want(p.call("PUT", path, "bytes of "+recipe, "Content-Type", "image/png"), http.StatusCreated)
	return asset
}

func picturePatch(field, original, display string) string {
	return fmt.Sprintf(`{"patch":{%q:{"$set":{"originalImage":%q,"displayImage":%q}}}}`, field, original, display)
}

func TestLinkedInPictures(t *testing.T) {
	m := &memory{}
	p := startLinkedIn(t, Options{Store: m})
	for field, recipe := range map[string]string{"profilePicture": "photo", "backgroundPicture": "background"} {
		original, display := p.picture("profile-original"+recipe+"-image"), p.picture("profile-display"+recipe+"-image")
		p.want(p.edit(picturePatch(field, original, display)), http.StatusOK)
		p.reads(field, fmt.Sprintf(`{"originalImage":%q,"displayImage":%q}`, original, display))
		p.want(p.edit(picturePatch(field, display, original)), http.StatusUnprocessableEntity)
	}
	p.want(p.edit(`{"patch":{"$delete":["backgroundPicture"]}}`), http.StatusOK)
	p.reads("backgroundPicture", "")
	if me := p.unmarshal(p.call("GET", "/v2/me", "").body); me["profilePicture"] == nil || me["assets"] != nil {
		t.Errorf("%v", me)
	}
	sum := sha256.Sum256([]byte("bytes of profile-originalphoto-image"))
	records := string(strings.Join(func() (s []string) {
		for _, b := range m.records {
			s = append(s, string(b))
		}
		return s
	}(), "\n"))
	if !strings.Contains(records, hex.EncodeToString(sum[:])) || !strings.Contains(records, `"size":36`) {
		t.Error("the digest and the length are not kept")
	}
	for _, word := range []string{"bytes of", "mediaUpload", "ut=", "token-1"} {
		if strings.Contains(records, word) {
			t.Errorf("%q is kept", word)
		}
	}
	for _, r := range p.requests() {
		if strings.HasPrefix(r.Path, "/linkedin/mediaUpload/") || strings.Contains(r.Path, "ut=") {
			t.Errorf("%s is in the log", r.Path)
		}
	}
}

func TestLinkedInPicturesThatAreRefused(t *testing.T) {
	p := startLinkedIn(t, Options{})
	original, display := p.picture("profile-originalphoto-image"), p.picture("profile-displayphoto-image")
	waiting, _ := p.register("profile-displayphoto-image")
	other := linkedinClient{p.rig, "token-2", "SECOND"}
	theirs := other.picture("profile-displayphoto-image")
	for _, display := range []string{waiting, theirs, original, "urn:li:digitalmediaAsset:nobody", "http://a/b.png", ""} {
		p.want(p.edit(picturePatch("profilePicture", original, display)), http.StatusUnprocessableEntity)
	}
	p.want(p.edit(picturePatch("backgroundPicture", original, display)), http.StatusUnprocessableEntity)
	p.want(p.edit(`{"patch":{"profilePicture":{"$set":{"displayImage":`+quote(display)+`}}}}`), http.StatusUnprocessableEntity)
	p.want(p.edit(`{"patch":{"profilePicture":{"$set":{"displayImage":`+quote(display)+`,"originalImage":`+quote(original)+`,"x":1}}}}`), http.StatusBadRequest)
	p.reads("profilePicture", "")
}

func TestLinkedInRegistrationsThatAreRefused(t *testing.T) {
	p := startLinkedIn(t, Options{})
	good := p.registration("profile-displayphoto-image")
	replace := func(old, with string) string { return strings.Replace(good, old, with, 1) }
	for body, status := range map[string]int{
		replace("displayphoto", "feedshare"):                                 http.StatusUnprocessableEntity,
		replace(`["urn`, `["urn:li:x","urn`):                                 http.StatusUnprocessableEntity,
		replace(`urn:li:person:ABCDEF`, `ABCDEF`):                            http.StatusUnprocessableEntity,
		replace(`"serviceRelationships":[]`, `"serviceRelationships":1`):     http.StatusUnprocessableEntity,
		replace(`"serviceRelationships":[]`, `"x":[]`):                       http.StatusBadRequest,
		replace(`"serviceRelationships":[]`, `"serviceRelationships":["x"]`): http.StatusUnprocessableEntity,
		`[]`: http.StatusBadRequest, `{}`: http.StatusUnprocessableEntity, `[`: http.StatusBadRequest,
	} {
		p.want(p.call("POST", "/v2/assets?action=registerUpload", body), status)
	}
	p.want(p.call("POST", "/v2/assets?action=register", good), http.StatusBadRequest)
	p.want(p.call("POST", "/v2/assets", good), http.StatusBadRequest)
	p.want(p.call("POST", "/v2/assets?action=registerUpload", good, "X-RestLi-Method", "CREATE"), http.StatusBadRequest)
	p.register("profile-displayphoto-image")
	p.want(p.call("POST", "/v2/assets?action=registerUpload", replace("ABCDEF", "SECOND")), http.StatusUnprocessableEntity)
}

func TestLinkedInUploadURLs(t *testing.T) {
	c := newClock()
	p := startLinkedIn(t, Options{Clock: c.now})
	asset, path := p.register("profile-displayphoto-image")
	_, second := p.register("profile-originalphoto-image")
	p.want(p.call("PUT", path, ""), http.StatusBadRequest)
	p.want(p.call("PUT", strings.Split(path, "?")[0], "x"), http.StatusNotFound)
	p.want(p.call("PUT", path+"x", "x"), http.StatusNotFound)
	p.want(p.call("PUT", strings.Split(path, "?")[0]+"?"+strings.Split(second, "?")[1], "x"), http.StatusNotFound)
	p.want(p.call("PUT", strings.Replace(path, "profile-uploadedImage", "profile-original-uploadedImage", 1), "x"), http.StatusNotFound)
	p.want(p.do("PUT", "/linkedin"+path, "x"), http.StatusUnauthorized)
	other := linkedinClient{p.rig, "token-2", "SECOND"}
	p.want(other.call("PUT", path, "x"), http.StatusNotFound)
	p.want(p.call("GET", path, ""), http.StatusMethodNotAllowed)
	p.want(p.call("POST", path, "x"), http.StatusCreated)
	p.want(p.call("PUT", path, strings.Repeat("y", 2<<20), "Content-Type", "application/octet-stream"), http.StatusCreated)
	p.want(p.call("PUT", path, strings.Repeat("y", linkedinMaxUpload+1)), http.StatusRequestEntityTooLarge)
	assets, _ := p.kept().Profile["assets"].(map[string]any)
	kept, _ := assets[strings.TrimPrefix(asset, linkedinAssetURN)].(map[string]any)
	if kept["size"] != float64(2<<20) {
		t.Errorf("%v", kept)
	}
	c.move(linkedinUploadTime - time.Nanosecond)
	p.want(p.call("PUT", path, "x"), http.StatusCreated)
	c.move(time.Nanosecond)
	p.want(p.call("PUT", path, "x"), http.StatusGone)
	c.move(25 * time.Hour)
	p.register("profile-displayphoto-image")
	p.want(p.call("PUT", path, "x"), http.StatusNotFound)
}

func TestLinkedInPicturesThatCannotBeStored(t *testing.T) {
	m := &memory{}
	p := startLinkedIn(t, Options{Store: m})
	_, path := p.register("profile-displayphoto-image")
	m.fail = true
	p.want(p.call("PUT", path, "x"), http.StatusInternalServerError)
	p.want(p.call("POST", "/v2/assets?action=registerUpload", p.registration("profile-displayphoto-image")), http.StatusInternalServerError)
	m.fail = false
	p.want(p.call("PUT", path, "x"), http.StatusCreated)
}

func TestLinkedInUploadTimeCanBeSet(t *testing.T) {
	c := newClock()
	p := startLinkedIn(t, Options{Clock: c.now})
	made := linkedIn{uploadTime: time.Minute}.make()
	p.s.providers["linkedin"].serve = made.serve
	_, path := p.register("profile-displayphoto-image")
	c.move(time.Minute)
	p.want(p.call("PUT", path, "x"), http.StatusGone)
}

func TestLinkedInUploadURLsEndWithTheServer(t *testing.T) {
	m := &memory{}
	p := startLinkedIn(t, Options{Store: m})
	asset, path := p.register("profile-displayphoto-image")
	if u, err := url.Parse(path); err != nil || len(u.Query().Get("ut")) < 20 {
		t.Errorf("%v: %s", err, path)
	}
	again := startLinkedIn(t, Options{Store: m})
	again.want(again.call("PUT", path, "x"), http.StatusNotFound)
	assets, _ := again.kept().Profile["assets"].(map[string]any)
	if assets[strings.TrimPrefix(asset, linkedinAssetURN)] == nil {
		t.Errorf("%v", assets)
	}
}
