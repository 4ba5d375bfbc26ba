package sandbox

// postpressDate is a month of a year.
var postpressDate = postpressMembers{
	"month": {read: postpressCount(1, 12), required: true},
	"year":  {read: postpressCount(1900, 2100), required: true},
}.object

// postpressSettings are how a picture is shown.
var postpressSettings = postpressMembers{
	"filter": {read: postpressOneOf("ORIGINAL", "STUDIO", "SPOTLIGHT", "PRIME", "CLASSIC", "EDGE", "LUMINATE")},
	"layout": {read: postpressMembers{
		"bottomLeft": {read: postpressCorner}, "bottomRight": {read: postpressCorner},
		"topLeft": {read: postpressCorner}, "topRight": {read: postpressCorner},
	}.object},
	"contrast":   {read: postpressReal},
	"vignette":   {read: postpressReal},
	"saturation": {read: postpressReal},
	"brightness": {read: postpressReal},
}.object

var postpressCorner = postpressMembers{
	"x": {read: postpressReal, required: true},
	"y": {read: postpressReal, required: true},
}.object

var postpressPresence = postpressOneOf("ON_SITE", "HYBRID", "REMOTE")

// postpressExperience are the members of an experience.
var postpressExperience = postpressMembers{
	"role":            {read: postpressWords, required: true},
	"company":         {read: postpressWords, required: true},
	"notify_network":  {read: postpressBool},
	"employment_type": {read: postpressText},
	"company_id":      {read: postpressText},
	"location":        {read: postpressText},
	"presence":        {read: postpressPresence},
	"seniority":       {read: postpressOpen},
	"start_date":      {read: postpressDate, required: true},
	"end_date":        {read: postpressDate},
	"description":     {read: postpressText},
	"source_of_hire": {read: postpressOneOf("INDEED", "LINKEDIN", "COMPANY_WEBSITE", "OTHER_JOB_SITES", "REFERRAL",
		"CONTACTED_BY_RECRUITER", "STAFFING_AGENCY", "OTHER")},
	"skills":     {read: postpressList(postpressWords)},
	"attachment": {read: postpressAttachment},
}

// postpressEducation are the members of an education.
var postpressEducation = postpressMembers{
	"notify_network": {read: postpressBool},
	"school":         {read: postpressWords, required: true},
	"degree":         {read: postpressText},
	"grade":          {read: postpressText},
	"field_of_study": {read: postpressText},
	"activities":     {read: postpressText},
	"description":    {read: postpressText},
	"start_date":     {read: postpressDate},
	"end_date":       {read: postpressDate},
	"skills":         {read: postpressList(postpressWords)},
	"attachment":     {read: postpressAttachment},
}

// The members of an edit. That of an education is documented with those of an
// experience; those of an education are taken too.
var (
	postpressEditExperience = postpressEdit(postpressExperience)
	postpressEditEducation  = postpressEdit(postpressExperience, postpressEducation)
)

// postpressEdit is the members with an id. Besides it, only the start is required.
func postpressEdit(all ...postpressMembers) postpressMembers {
	edit := postpressMembers{"id": {read: postpressWords, required: true}}
	for _, members := range all {
		for name, m := range members {
			edit[name] = postpressMember{read: m.read, required: name == "start_date"}
		}
	}
	return edit
}

// postpressItem reads an experience or an education: with an id it is an edit.
func postpressItem(add, edit postpressMembers) postpressType {
	return func(c *postpressFindings, path string, n *postpressNode) any {
		if n.members["id"] != nil {
			return edit.object(c, path, n)
		}
		return add.object(c, path, n)
	}
}

// postpressOpen is an object of texts, of which the names are not documented.
func postpressOpen(c *postpressFindings, path string, n *postpressNode) any {
	members := postpressMembers{}
	for _, name := range n.names {
		members[name] = postpressMember{read: postpressWords}
	}
	if len(n.names) == 0 {
		c.say(path, "must have members")
	}
	return members.object(c, path, n)
}

// The two kinds of attachments.
var (
	postpressLink = postpressMembers{
		"type":        {read: postpressOneOf("link"), required: true},
		"title":       {read: postpressWords, required: true},
		"description": {read: postpressText},
		"url":         {read: postpressURL, required: true},
		"thumbnail":   {read: postpressFile},
	}
	postpressMedia = postpressMembers{
		"type":        {read: postpressOneOf("media"), required: true},
		"title":       {read: postpressWords, required: true},
		"description": {read: postpressText},
		"file":        {read: postpressFile},
	}
)

// postpressAttachment reads a link or a medium, by its type.
func postpressAttachment(c *postpressFindings, path string, n *postpressNode) any {
	kind := ""
	if t := n.members["type"]; t != nil && len(t.values) == 1 {
		kind = t.values[0].text
	}
	switch kind {
	case "link":
		return postpressLink.object(c, path, n)
	case "media":
		return postpressMedia.object(c, path, n)
	}
	c.say(postpressInner(path, "type"), "must be one of link, media")
	return nil
}

// postpressTitles is a list of objects. Its members are lists of the same length: the
// first name goes with the first id.
func postpressTitles(c *postpressFindings, path string, n *postpressNode) any {
	lists := postpressMembers{
		"name": {read: postpressList(postpressWords), required: true},
		"id":   {read: postpressList(postpressWords), required: true},
	}
	kept, _ := lists.object(c, path, n).(map[string]any)
	names, _ := kept["name"].([]any)
	ids, _ := kept["id"].([]any)
	if len(names) != len(ids) {
		c.say(path, "must have as many ids as names")
		return nil
	}
	titles := []any{}
	for i := range names {
		titles = append(titles, map[string]any{"name": names[i], "id": ids[i]})
	}
	return titles
}

// postpressProfile are the keys of the form.
var postpressProfile = postpressMembers{
	"type":       {read: postpressOneOf("LINKEDIN"), required: true},
	"account_id": {read: postpressWords, required: true},
	"location": {read: postpressMembers{
		"id":          {read: postpressWords, required: true},
		"postal_code": {read: postpressPostal},
	}.object},
	"headline":               {read: postpressText},
	"summary":                {read: postpressText},
	"picture":                {read: postpressFile},
	"picture_settings":       {read: postpressSettings},
	"cover_picture":          {read: postpressFile},
	"cover_picture_settings": {read: postpressSettings},
	"experience":             {read: postpressItem(postpressExperience, postpressEditExperience)},
	"education":              {read: postpressItem(postpressEducation, postpressEditEducation)},
	"skills":                 {read: postpressList(postpressWords)},
	"skills_follow":          {read: postpressBool},
	"open_to_work": {read: postpressMembers{
		"job_title": {read: postpressTitles, required: true},
		"presence":  {read: postpressList(postpressPresence), required: true},
		"location": {required: true, read: postpressMembers{
			"on_site": {read: postpressList(postpressWords)},
			"remote":  {read: postpressList(postpressWords)},
		}.object},
		"start_date":      {read: postpressOneOf("IMMEDIATELY", "FLEXIBLE")},
		"employment_type": {read: postpressList(postpressOneOf("FULL_TIME", "PART_TIME", "CONTRACT", "INTERNSHIP", "TEMPORARY"))},
		"visibility":      {read: postpressOneOf("ALL", "RECRUITERS_ONLY")},
	}.object},
	"custom_link": {read: postpressMembers{
		"type":       {read: postpressOneOf("STORE", "WEBSITE", "PORTFOLIO", "BLOG", "NEWSLETTER"), required: true},
		"url":        {read: postpressURL, required: true},
		"display_on": {read: postpressOneOf("PROFILE_ONLY", "EVERYWHERE")},
	}.object},
}
