//! A real browser: Debian's Chromium without a window, asked over its `DevTools` pipe.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;

use super::tool::is_there;
use super::within;

/// A running browser with one page; ended where the test forgets it.
pub(crate) struct Browser {
    child: Child,
    _folder: TempDir,
    questions: pipe::Sender,
    answers: BufReader<pipe::Receiver>,
    session: String,
    asked: u64,
    /// What the page complained of: errors, and violations of its content security policy.
    pub(crate) complaints: Vec<String>,
}

impl Browser {
    /// None where the machine has no browser, which is a failure in CI.
    pub(crate) async fn start() -> Option<Self> {
        if !is_there("chromium") {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let pipe_at = |name: &str| {
            let path = folder.path().join(name);
            assert!(
                Command::new("mkfifo")
                    .arg(&path)
                    .status()
                    .unwrap()
                    .success()
            );
            path
        };
        let (down, up) = (pipe_at("down"), pipe_at("up"));
        let child = spawn(folder.path(), &down, &up);
        // Both ends at once, so that neither side waits for the other to open.
        let questions = pipe::OpenOptions::new().read_write(true).open_sender(&down);
        let answers = pipe::OpenOptions::new().read_write(true).open_receiver(&up);
        let mut browser = Self {
            child,
            _folder: folder,
            questions: questions.unwrap(),
            answers: BufReader::new(answers.unwrap()),
            session: String::new(),
            asked: 0,
            complaints: Vec::new(),
        };
        let target = browser
            .ask("Target.createTarget", json!({ "url": "about:blank" }))
            .await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.ask("Target.attachToTarget", attach).await;
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page.enable", "Log.enable", "Runtime.enable"] {
            browser.ask(domain, json!({})).await;
        }
        Some(browser)
    }

    /// A window of this size, with a light or a dark theme.
    pub(crate) async fn window(&mut self, width: u32, height: u32, theme: &str) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1,
            "mobile": width < 600 });
        self.ask("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.ask("Emulation.setEmulatedMedia", media).await;
    }

    /// Opens a page, and waits until all of it is there.
    pub(crate) async fn open(&mut self, url: &str) {
        let opened = self.ask("Page.navigate", json!({ "url": url })).await;
        assert_eq!(opened["errorText"], Value::Null, "{url}");
        self.until("Page.loadEventFired").await;
    }

    /// The value of an expression on the page.
    pub(crate) async fn value(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true });
        let mut answer = self.ask("Runtime.evaluate", asked).await;
        assert_eq!(answer["exceptionDetails"], Value::Null, "{expression}");
        answer["result"]["value"].take()
    }

    /// The whole page as a picture.
    pub(crate) async fn picture(&mut self) -> Vec<u8> {
        use base64::Engine as _;
        let asked = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.ask("Page.captureScreenshot", asked).await;
        let engine = base64::engine::general_purpose::STANDARD;
        engine.decode(answer["data"].as_str().unwrap()).unwrap()
    }

    async fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.asked += 1;
        let mut question = json!({ "id": self.asked, "method": method, "params": parameters });
        if !self.session.is_empty() {
            question["sessionId"] = self.session.clone().into();
        }
        let mut bytes = question.to_string().into_bytes();
        bytes.push(0);
        self.questions.write_all(&bytes).await.unwrap();
        let asked = self.asked;
        let is_answer = |message: &Value| message["id"] == asked;
        let mut answer = self.message(method, is_answer).await;
        assert_eq!(answer["error"], Value::Null, "{method}");
        answer["result"].take()
    }

    async fn until(&mut self, event: &str) {
        self.message(event, |message| message["method"] == event)
            .await;
    }

    /// The next message that `is_wanted`; complaints on the way are kept.
    async fn message(&mut self, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        within(what, async {
            loop {
                let mut bytes = Vec::new();
                self.answers.read_until(0, &mut bytes).await.unwrap();
                let text = bytes.strip_suffix(b"\0").expect("the browser runs");
                let message: Value = serde_json::from_slice(text).unwrap();
                if is_wanted(&message) {
                    return message;
                }
                let is_complaint = matches!(
                    message["method"].as_str(),
                    Some("Log.entryAdded" | "Runtime.consoleAPICalled" | "Runtime.exceptionThrown")
                );
                if is_complaint {
                    self.complaints.push(message["params"].to_string());
                }
            }
        })
        .await
    }
}

/// Starts it; as root it has no sandbox.
fn spawn(folder: &Path, down: &Path, up: &Path) -> Child {
    let log = std::fs::File::create(folder.join("log")).unwrap();
    Command::new("sh")
        .arg("-c")
        .arg(
            "exec chromium --headless=new --remote-debugging-pipe --no-sandbox --disable-gpu \
             --disable-dev-shm-usage --no-first-run --disable-extensions \
             --disable-background-networking --hide-scrollbars --user-data-dir=\"$0/profile\" \
             3<>\"$1\" 4<>\"$2\"",
        )
        .args([folder, down, up])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("chromium is installed")
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Already gone, mostly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
