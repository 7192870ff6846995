//! Packages that a belt brings along.

use granary_sandbox::{Error, Runner, Update};
use serde_json::{Value, json};

use crate::support::{belt_spec, python, run};

/// An archive with a package, a module that does not compile, a folder without `__init__.py`, data and a version.
fn archive() -> Vec<u8> {
    let script = "
import io, sys, zipfile
out = io.BytesIO()
with zipfile.ZipFile(out, 'w') as z:
    z.writestr('greet/__init__.py', 'from .words import WORD\\nimport pkgutil\\nDATA = pkgutil.get_data(__name__, \"data/note.txt\").decode()\\n')
    z.writestr('greet/words.py', 'WORD = \"hello\"\\n')
    z.writestr('greet/data/note.txt', 'noted')
    z.writestr('shared/part/__init__.py', 'PART = 1\\n')
    z.writestr('broken.py', 'x = = 1\\n')
    z.writestr('wants.py', 'import nothing_of_that_name\\n')
    z.writestr('json/__init__.py', 'raise RuntimeError(\"not the standard library\")\\n')
    z.writestr('Greet_er-1.5.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: greet-er\\nVersion: 1.5\\n')
sys.stdout.buffer.write(out.getvalue())
";
    let output = std::process::Command::new("python3").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[tokio::test]
async fn modules_data_and_versions_come_out_of_the_archive() {
    let source = "import importlib.metadata, importlib.resources, json\n\
                  import greet, shared.part\n\
                  from grnry_belt.models.direct_update import DirectUpdate\n\
                  NOTE = (importlib.resources.files('greet') / 'data' / 'note.txt').read_text()\n\
                  VERSION = importlib.metadata.version('greet.er')\n\
                  def execute(h, p):\n    \
                  return DirectUpdate('livesegment-dataoutp', {'id': '1', 'all': [greet.WORD, greet.DATA, NOTE, VERSION, \
                  shared.part.PART, greet.__file__]})\n";
    let (mut spec, _) = belt_spec(source);
    spec.packages = archive().into();
    let (sandbox, runtime) = python().await;
    let mut runner = Runner::new(sandbox, runtime, spec).await.unwrap();
    let outcome = run(&mut runner, &[b"{}"]).await.remove(0).unwrap();
    let Update::Direct { value, .. } = &outcome[0] else { panic!("{outcome:?}") };
    let value: Value = serde_json::from_slice(value).unwrap();
    assert_eq!(value["all"], json!(["hello", "noted", "noted", "1.5", 1, "<packages>/greet/__init__.py"]));
}

#[tokio::test]
async fn a_failing_import_is_shown_at_the_belts_own_line() {
    for (module, expected) in [
        ("broken", "SyntaxError"),
        ("wants", "nothing_of_that_name"),
        ("greet.nowhere", "greet.nowhere"),
        ("absent", "the packages that its requirementsPy names"),
    ] {
        let (mut spec, _) = belt_spec(&format!("import json\nimport {module}\ndef execute(h, p): pass\n"));
        spec.packages = archive().into();
        let (sandbox, runtime) = python().await;
        let Err(Error::Refused(refusal)) = sandbox.check(&runtime, &spec).await else { panic!("{module}") };
        let diagnostic = &refusal.diagnostics[0];
        assert_eq!((diagnostic.line, diagnostic.column), (Some(2), Some(1)), "{diagnostic:?}");
        assert!(diagnostic.message.contains(expected), "{diagnostic:?}");
    }
}
