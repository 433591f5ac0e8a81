/** Entry of the library page. */
import "../styles/base.css";
import "../elements/library-page";
